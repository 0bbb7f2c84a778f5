"""Gradients: the same in every form, the interpreter's differences, and for a shared weight the sum over iterations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from torch import Tensor, nn

from itc.interpreter import interpret
from itc.ir import parse_net, verify
from itc.ir.op import Array
from itc_torch import load_weights, lower
from tests.random_nets import Case, cases, difference, on_random_nets, random_inputs, random_weights
from tests.torch.forms import MAKERS, modules, tensors

LOOP = """
net @loop(%image: f32[2, 6, 6]) {{
  param @w: {sets}f32[2, 2, 3, 3] {{role = weight, init = kaiming}}
  param @b: {sets}f32[2] {{role = bias, init = zeros}}
  %last, %all = loop %t in 1..5 carry (%s = %image) {{
    %1 = conv(%s, @w{index}, @b{index}) {{pad = [1, 1]}}: f32[2, 6, 6]
    %2 = tanh(%1): f32[2, 6, 6]
    emit when %t in {{2, 5}} {{
      yield %2
    }}
    yield %2
  }}: f32[2, 6, 6], 2 x f32[2, 6, 6]
  return %all {{name = all, at = {{2, 5}}}}
  return %last {{name = last}}
}}
"""
SHARED = verify(parse_net(LOOP.format(sets="", index="")))
INDEPENDENT = verify(parse_net(LOOP.format(sets="5 x ", index="[%t]")))
PAIRS = verify(parse_net(LOOP.format(sets="3 x ", index="[%t/2]")))

STEP = 1e-6


def loss(outputs: Mapping[str, Tensor]) -> Tensor:
    """A scalar to which every element of every output adds its own share."""
    shares = (torch.cos(torch.arange(o.numel(), dtype=o.dtype).reshape(o.shape)) * o for o in outputs.values())
    return torch.stack([share.sum() / o.abs().max() for share, o in zip(shares, outputs.values(), strict=True)]).sum()


def gradients(module: nn.Module, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """The gradient of the loss by every parameter; zeros where nothing depends on it."""
    module.zero_grad()
    loss(module(*tensors(inputs))).backward()
    return {
        key: np.zeros(tuple(p.shape)) if p.grad is None else p.grad.numpy().copy()
        for key, p in module.named_parameters()
    }


def close(found: Array, expected: Array, scale: float) -> bool:
    return bool(np.abs(found - expected).max(initial=0) <= 1e-4 * scale)


@settings(on_random_nets, max_examples=15)
@given(cases())
def test_every_form_has_the_same_gradients(case: Case) -> None:
    found = {name: double_gradients(module, case) for name, module in modules(case.net, case.weights).items()}
    for key, expected in found["unrolled"].items():
        scale = max(float(np.abs(expected).max()), 1e-6)
        assert close(found["rolled"][key], expected, scale), key
        assert close(found["written"][key], expected, scale), key


def double_gradients(module: nn.Module, case: Case) -> dict[str, Array]:
    """Gradients in float64, so that rounding excuses nothing; none where no output depends on a parameter."""
    outputs = module.double()(*(tensor.double() for tensor in tensors(case.inputs)))
    total = loss(outputs)
    if not total.requires_grad:
        return {}
    total.backward()
    parameters = module.named_parameters()
    return {key: np.zeros(tuple(p.shape)) if p.grad is None else p.grad.numpy() for key, p in parameters}


@pytest.mark.parametrize("form", MAKERS)
def test_a_shared_weights_gradient_is_the_sum_over_iterations(form: str) -> None:
    weights, inputs = random_weights(SHARED), random_inputs(SHARED)
    repeated = {key: np.repeat(value[None], 5, axis=0) for key, value in weights.items()}
    shared, independent = MAKERS[form](SHARED), MAKERS[form](INDEPENDENT)
    load_weights(shared, weights)
    load_weights(independent, repeated)
    single = gradients(independent, inputs)
    for key, found in gradients(shared, inputs).items():
        assert difference(found, single[key].sum(0)) <= 1e-5
        assert all(np.abs(one).max() > 0 for one in single[key])


@pytest.mark.parametrize("form", MAKERS)
def test_runs_of_iterations_share_their_gradient(form: str) -> None:
    weights, inputs = random_weights(PAIRS), random_inputs(PAIRS)
    repeated = {key: value[[0, 0, 1, 1, 2]] for key, value in weights.items()}
    pairs, independent = MAKERS[form](PAIRS), MAKERS[form](INDEPENDENT)
    load_weights(pairs, weights)
    load_weights(independent, repeated)
    single = gradients(independent, inputs)
    for key, found in gradients(pairs, inputs).items():
        expected = np.stack([single[key][:2].sum(0), single[key][2:4].sum(0), single[key][4]])
        assert difference(found, expected) <= 1e-5


def test_gradients_accumulate_over_backward_passes() -> None:
    module = lower(SHARED)
    inputs = tensors(random_inputs(SHARED))
    loss(module(*inputs)).backward()
    once = {key: p.grad.clone() for key, p in module.named_parameters() if p.grad is not None}
    loss(module(*inputs)).backward()
    assert once
    assert all(torch.allclose(p.grad, 2 * once[key]) for key, p in module.named_parameters() if p.grad is not None)


@settings(on_random_nets, max_examples=10)
@given(cases())
def test_gradients_are_the_interpreters_differences(case: Case) -> None:
    """Along a random direction, central differences of the interpreter in float64; smooth nets agree to many digits."""
    module = lower(case.net).eval()
    load_weights(module, case.weights)
    found = double_gradients(module, case)
    if not found:
        return
    rng = np.random.default_rng(0)
    direction = {key: rng.normal(size=value.shape) for key, value in found.items()}
    inputs = {name: array.astype(np.float64) for name, array in case.inputs.items()}
    before, here, after = (measured(case, inputs, direction, step) for step in (-STEP, 0, STEP))
    assume(abs(after - 2 * here + before) < 1e-3 * STEP)  # no kink of a relu or a pool in between
    slope = sum(float((found[key] * direction[key]).sum()) for key in found)
    expected = (after - before) / (2 * STEP)
    assert abs(slope - expected) <= 1e-4 * max(1.0, abs(expected))


def measured(case: Case, inputs: dict[str, Array], direction: dict[str, Array], step: float) -> float:
    """The loss by the interpreter, `step` along a direction."""
    weights = {key: value.astype(np.float64) for key, value in case.weights.items()}
    weights |= {key: weights[key] + step * towards for key, towards in direction.items()}
    outputs = interpret(case.net, inputs, weights)
    return float(loss({label: torch.from_numpy(array) for label, array in outputs.items()}))
