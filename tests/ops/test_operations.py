"""Every operation: its rule, reference value, MACs, text and lowerings against one another and against torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from itc.ir import LAYERS, OPS, Op, RuleError, TensorType, parse_net, print_net
from itc.ir.op import Array
from itc.ir.types import NUMPY_NAMES
from itc_torch import LOWERINGS, emit_module, load_weights, lower, run
from itc_torch.source.functions import OWN, function_texts
from tests.ops.draws import BATCH, DRAWS, Drawn, Values, operations
from tests.random_nets import on_random_nets

NAMES = sorted(OPS)
TIED_PLACES = ("argmax", "pool_indices")


def close(found: Array, expected: Array, tolerance: float = 1e-5) -> None:
    """Equal in shape and kind; equal to rounding, or exactly if they are no floats."""
    assert found.shape == expected.shape
    assert found.dtype == expected.dtype
    if np.issubdtype(expected.dtype, np.floating):
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * max(1, np.abs(expected).max()))
    else:
        np.testing.assert_array_equal(found, expected)


def test_every_operation_is_drawn_and_lowered() -> None:
    assert sorted(DRAWS) == NAMES
    assert sorted(op.name for op in LOWERINGS) == NAMES


@pytest.mark.parametrize("name", NAMES)
@on_random_nets
@given(st.data())
def test_rule_and_reference_agree(name: str, data: Any) -> None:
    drawn: Drawn = data.draw(operations(name))
    assert isinstance(drawn.op, OPS[name])
    (type,) = drawn.results
    value = drawn.evaluate()
    assert value.shape == (BATCH, *type.shape)
    assert value.dtype == np.dtype(NUMPY_NAMES[type.dtype])


@pytest.mark.parametrize("name", NAMES)
@on_random_nets
@given(st.data())
def test_torch_agrees_in_every_form(name: str, data: Any) -> None:
    """Graphs, and the emitted module, which knows nothing of itc."""
    drawn: Drawn = data.draw(operations(name))
    net, inputs, weights = drawn.net()
    expected = drawn.evaluate()
    for form in ("rolled", "unrolled"):
        module = lower(net, form)  # type: ignore[arg-type]
        load_weights(module, weights)
        close(run(module, inputs)["y"], expected)
    namespace: dict[str, Any] = {}
    exec(compile(emit_module(net), "emitted", "exec"), namespace)
    emitted = namespace["One"]()
    load_weights(emitted, weights)
    close(run(emitted, inputs)["y"], expected)


@pytest.mark.parametrize("name", NAMES)
@on_random_nets
@given(st.data())
def test_text_reads_back(name: str, data: Any) -> None:
    net, _, _ = data.draw(operations(name)).net()
    assert parse_net(print_net(net)) == net


@pytest.mark.parametrize("name", NAMES)
@on_random_nets
@given(st.data())
def test_macs_are_those_that_torch_counts(name: str, data: Any) -> None:
    drawn: Drawn = data.draw(operations(name))
    net, inputs, weights = drawn.net()
    module = lower(net).eval().requires_grad_(False)
    load_weights(module, weights)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(**{key: torch.from_numpy(value) for key, value in inputs.items()})
    if name in ("roi_align", "attend"):  # an einsum of torch's is no product of the network; attention below
        return
    assert 2 * BATCH * drawn.op.macs(*drawn.types) == counter.get_total_flops()


@st.composite
def broken(draw: Any, name: str) -> tuple[Op, tuple[TensorType, ...]]:
    """An operation with some attribute and some operand types that are unlikely to fit."""
    drawn = DRAWS[name](Values(draw))
    numbers = st.integers(-3, 9)
    attributes = {}
    for field, value in vars(drawn.op).items():
        if isinstance(value, tuple):
            kind = st.floats(-2, 9) if value and isinstance(value[0], float) else numbers
            changed: Any = st.tuples(*[kind] * len(value))
        elif isinstance(value, bool | str):
            changed = st.just(value)
        else:
            changed = st.floats(-2, 2) if isinstance(value, float) else numbers
        attributes[field] = draw(st.one_of(st.just(value), changed))
    shapes = st.lists(st.integers(1, 9), max_size=4).map(tuple)
    types = st.builds(TensorType, st.sampled_from(("f32", "i64")), shapes)
    operands = tuple(draw(st.one_of(st.just(type), types)) for type in drawn.types)
    return type(drawn.op)(**attributes), operands


@pytest.mark.parametrize("name", NAMES)
@on_random_nets
@given(st.data())
def test_what_does_not_fit_is_a_rule_error(name: str, data: Any) -> None:
    """No other exception; and what fits has a value of the type that is said."""
    op, types = data.draw(broken(name))
    try:
        results = op.result_types(*types)
        macs = op.macs(*types)
    except RuleError as error:
        assert error.message
        return
    assert macs >= 0
    assert all(min(result.shape, default=1) >= 1 for result in results)


def test_copied_functions_are_formatted_as_written_modules_are(tmp_path: Path) -> None:
    pytest.importorskip("ruff")
    (tmp_path / "functions.py").write_text("\n\n\n".join(function_texts(OWN.values())) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--no-cache", "--diff", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_layers_do_not_hide_what_the_language_computes() -> None:
    from itc_dsl.signature import BUILTINS

    assert not BUILTINS.keys() & LAYERS.keys()
