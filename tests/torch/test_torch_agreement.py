"""Interpreter = rolled = unrolled = written module, on random nets of every kind, and at sizes not the net's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from itc.interpreter import computed
from itc.ir import Net, walk
from itc.ir.op import Array
from itc_torch import Network
from tests.random_nets import CLOSE, Case, cases, difference, nets, on_random_nets, well_conditioned
from tests.rounding import rounded
from tests.torch.forms import modules, tensors


def check(case: Case) -> None:
    expected = {param.key: param.shape for param in case.net.params}
    trained = {param.key for param in case.net.params if param.trained}
    for name, module in modules(case.net, case.weights).items():
        assert {key: tuple(value.shape) for key, value in module.state_dict().items()} == expected
        assert {key for key, _ in module.named_parameters()} == trained
        with torch.no_grad():
            outputs = module(*tensors(case.inputs))
            single = list(module.iterate(*tensors(case.inputs))) if isinstance(module, Network) else outputs.items()
        assert tuple(outputs) == case.net.labels, name
        assert sorted(label for label, _ in single) == sorted(case.net.labels)
        assert all(torch.equal(outputs[label], tensor) for label, tensor in single)
        for label, array in case.outputs.items():
            assert difference(outputs[label].numpy(), array) <= CLOSE, (name, label)


@on_random_nets
@given(cases())
def test_every_form_gives_what_the_interpreter_gives(case: Case) -> None:
    check(case)


@pytest.mark.long
@settings(on_random_nets, max_examples=300)
@given(cases())
def test_every_form_gives_what_the_interpreter_gives_on_many_nets(case: Case) -> None:
    check(case)


@settings(on_random_nets, max_examples=15)
@given(cases(), st.integers(1, 9), st.integers(1, 9))
def test_other_sizes_than_the_nets_own(case: Case, taller: int, wider: int) -> None:
    rng = np.random.default_rng(0)
    inputs = {name: grown(array, taller, wider, rng) for name, array in case.inputs.items()}
    try:
        outputs = computed(case.net, inputs, case.weights)
        with_errors = rounded(case.net, inputs, case.weights)
    except ValueError:  # what had one size by chance has two
        assume(False)
    assume(well_conditioned(outputs, with_errors))
    check(Case(case.net, case.weights, inputs, outputs))


def grown(array: Array, taller: int, wider: int, rng: np.random.Generator) -> Array:
    """Random numbers of the shape of a map with more rows and columns; vectors stay."""
    if array.ndim < 4:
        return array
    *first, height, width = array.shape
    return rng.normal(size=(*first, height + taller, width + wider)).astype(np.float32)


def test_random_nets_loop_choose_emit_and_share() -> None:
    """So that agreement on them says something."""
    kinds: set[str] = set()

    @on_random_nets
    @given(nets())
    def collect(net: Net) -> None:
        kinds.update(type(statement).__name__ for statement in walk(net.body))
        kinds.update(f"{len(param.sets)} axes" for param in net.params if param.set_count > 1)

    collect()
    assert kinds >= {"Loop", "When", "Emit", "Apply", "1 axes"}
