"""ItNet from its spec at a reduced size: every form against the interpreter, whatever is shared, at any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import itc
from itc.interpreter import computed
from itc.ir import Net
from itc_torch import lower
from itc_torch.regions import Emit
from tests.random_nets import random_inputs, random_weights
from tests.rounding import close, tolerances
from tests.torch.forms import modules, tensors

SPEC = Path(__file__).parents[2] / "examples" / "itnet.itn"
SMALL: dict[str, Any] = {"height": 48, "width": 64, "iterations": 4, "exits": [1, 2, 4], "f": 12}
VARIANTS: dict[str, dict[str, Any]] = {
    "shared": {},
    "independent": {"refine.share": "none"},
    "every": {"refine.share": "every(3)"},
    "two scales, two bottlenecks": {"scales": 2, "bottlenecks": 2},
}


def small(name: str) -> Net:
    return itc.load(SPEC, **SMALL, **VARIANTS[name]).ir


def agree(net: Net, inputs: dict[str, np.ndarray]) -> None:  # type: ignore[type-arg]
    weights = random_weights(net)
    expected = computed(net, inputs, weights)
    assert all(array.std() > 1e-3 * np.abs(array).max() for array in expected.values())
    allowed = tolerances(net, inputs, weights, expected)
    for module in modules(net, weights).values():
        with torch.no_grad():
            outputs = module(*tensors(inputs))
        assert tuple(outputs) == net.labels
        close({label: value.numpy() for label, value in outputs.items()}, expected, allowed)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_form_gives_what_the_interpreter_gives(name: str) -> None:
    net = small(name)
    agree(net, random_inputs(net))


def test_sizes_that_halve_unevenly() -> None:
    net = small("shared")
    agree(net, {"image": np.random.default_rng(0).normal(size=(1, 3, 56, 90)).astype(np.float32)})


@pytest.mark.parametrize("name", VARIANTS)
def test_gradients_of_the_forms_are_equal(name: str) -> None:
    net = small(name)
    found = {}
    for form, module in modules(net, random_weights(net)).items():
        (image,) = tensors(random_inputs(net))
        sum(output.square().mean() for output in module.double()(image.double()).values()).backward()  # type: ignore[union-attr]
        found[form] = {key: parameter.grad for key, parameter in module.named_parameters()}
    for key, expected in found["unrolled"].items():
        assert expected is not None
        assert expected.abs().max() > 0, key
        for form in ("rolled", "written"):
            assert torch.allclose(found[form][key], expected, rtol=1e-6, atol=1e-9 * float(expected.abs().max())), key


def test_the_first_output_needs_one_iteration() -> None:
    module = lower(small("shared")).eval()
    ran = []
    loop = next(part for name, part in module.named_children() if name.startswith("loop"))
    (emit,) = (part for part in loop.modules() if isinstance(part, Emit))
    emit.register_forward_hook(lambda *_: ran.append(1))
    label, tensor = next(module.iterate(*tensors(random_inputs(small("shared"), batch=1))))
    assert label == "segmentation@1"
    assert tensor.shape == (1, 11, 48, 64)
    assert len(ran) == 1


def test_it_learns() -> None:
    """A few steps of training on one picture lower the loss of every output, rolled as unrolled from the same seed."""
    net = small("shared")
    histories = []
    for form in ("rolled", "unrolled"):
        torch.manual_seed(0)
        module = lower(net, form).train()
        (image,) = tensors(random_inputs(net))
        target = (image[:, 0] > 0).long() * 3
        optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
        history = []
        for _ in range(6):
            optimizer.zero_grad()
            losses = [torch.nn.functional.cross_entropy(output, target) for output in module(image).values()]
            torch.stack(losses).mean().backward()
            optimizer.step()
            history.append([loss.item() for loss in losses])
        assert all(last < first for first, last in zip(history[0], history[-1], strict=True))
        histories.append(history)
    np.testing.assert_allclose(*histories, rtol=1e-3)
