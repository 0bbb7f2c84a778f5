"""Every operation: gradients in torch against central differences in float64, in every form, in training and inference.

An operation is differentiable or stands in `WITHOUT_GRADIENT` with the reason; there is no third kind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from itc.ir import OPS, TensorType
from itc.ir.builder import Builder
from itc.ir.net import Net, Output
from itc.ir.ops.cast import Cast
from itc.ir.ops.pool import MaxPool
from itc.ir.ops.unpool import MaxUnpool, PoolIndices
from tests.ops.draws import Drawn, operations
from tests.random_nets import on_random_nets
from tests.torch.forms import MAKERS

#: Operations whose results have no gradient by any operand.
WITHOUT_GRADIENT = {
    "argmax": "gives integers",
    "compare": "gives booleans",
    "one_hot": "reads integers",
    "pool_indices": "gives integers",
    "detach": "stops gradients by its definition",
    "fill": "reads only a shape",
    "sinusoid": "reads only a shape",
    "proposals": "chooses boxes; as in Faster R-CNN, training takes them as constants",
}
#: Operations that are differentiated, but not by differences: where their test is.
OTHERWISE_TESTED = {"cast": "test_the_gradient_of_a_cast_is_one: float32 rounds the differences away"}
#: Operands that torch takes as constants: the running statistics of a norm.
CONSTANT_OPERANDS = {"batch_norm": (3, 4)}

#: Operations that do other things in training than at inference.
BY_MODE = ("batch_norm", "dropout")
STEP = 1e-6
CLOSE = 1e-5

DIFFERENTIABLE = sorted(OPS.keys() - WITHOUT_GRADIENT.keys() - OTHERWISE_TESTED.keys())


def outputs_of(module: nn.Module, drawn: Drawn, moving: list[int]) -> Callable[..., Tensor]:
    """The module's result as a function of the operands at the positions `moving`, with the same random numbers."""
    fixed = [torch.from_numpy(array.copy()) for array in drawn.arrays]
    fixed = [tensor.double() if tensor.is_floating_point() else tensor for tensor in fixed]

    def run(*operands: Tensor) -> Tensor:
        tensors = [tensor.clone() for tensor in fixed]
        for position, operand in zip(moving, operands, strict=True):
            tensors[position] = operand
        weights = {f"layer.x{at}": tensors[at] for at in range(drawn.tensors, len(tensors))}
        torch.manual_seed(0)
        result: Tensor = functional_call(module, weights, tuple(tensors[: drawn.tensors]))["y"]
        return result

    return run


def differentiated(drawn: Drawn) -> list[int]:
    """The operands with a gradient: those of floating-point numbers that are read, but for constants."""
    skipped = drawn.op.shape_only | {*CONSTANT_OPERANDS.get(drawn.op.name, ())}
    return [at for at, a in enumerate(drawn.arrays) if a.dtype == np.float32 and at not in skipped]


def leaves(drawn: Drawn, positions: list[int]) -> list[Tensor]:
    return [torch.from_numpy(drawn.arrays[at].astype(np.float64)).requires_grad_() for at in positions]


def test_every_operation_has_a_gradient_or_a_reason() -> None:
    stated = [*DIFFERENTIABLE, *WITHOUT_GRADIENT, *OTHERWISE_TESTED]
    assert sorted(stated) == sorted(OPS)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@settings(on_random_nets, max_examples=3)
@given(st.data())
def test_gradients_are_central_differences(name: str, data: Any) -> None:
    drawn: Drawn = data.draw(operations(name))
    positions = differentiated(drawn)
    assert positions
    net, _, _ = drawn.net()
    for make in MAKERS.values():
        for training in (False, True) if name in BY_MODE else (True,):
            check(outputs_of(make(net).double().train(training), drawn, positions), leaves(drawn, positions))


def check(function: Callable[..., Tensor], operands: list[Tensor]) -> None:
    """The slope of a random weighting of the result along a random direction of all operands, by both ways."""
    generator = torch.Generator().manual_seed(0)
    result = function(*operands)
    shares, *directions = (torch.randn(t.shape, generator=generator, dtype=t.dtype) for t in (result, *operands))
    gradients = torch.autograd.grad(result, operands, shares)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, directions, strict=True))
    with torch.no_grad():
        before, here, after = (
            float((function(*(o + step * d for o, d in zip(operands, directions, strict=True))) * shares).sum())
            for step in (-STEP, 0, STEP)
        )
    expected = (after - before) / (2 * STEP)
    scale = max(1.0, abs(expected), float(result.detach().abs().max()))
    assume(abs(after - 2 * here + before) < CLOSE * STEP * scale)  # no kink of a relu or a pool in between
    assert abs(slope - expected) <= CLOSE * scale


@pytest.mark.parametrize("name", WITHOUT_GRADIENT)
@settings(on_random_nets, max_examples=4)
@given(st.data())
def test_the_others_have_none(name: str, data: Any) -> None:
    drawn: Drawn = data.draw(operations(name))
    net, _, _ = drawn.net()
    for make in MAKERS.values():
        operands = [
            torch.from_numpy(array) if array.dtype != np.float32 else leaves(drawn, [at])[0]
            for at, array in enumerate(drawn.arrays)
        ]
        module = make(net).double()
        result = module(*operands)["y"]
        assert not result.requires_grad


def one_operation(op: Any, type: TensorType) -> Net:
    builder = Builder("one")
    return builder.net([Output("y", builder.apply(op, [builder.input("x", type)]))])


@pytest.mark.parametrize("form", MAKERS)
def test_the_gradient_of_a_cast_is_one(form: str) -> None:
    x = torch.randn(2, 5, requires_grad=True)
    MAKERS[form](one_operation(Cast("f32"), TensorType("f32", (5,))))(x)["y"].sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == torch.ones(2, 5).tolist()


@pytest.mark.parametrize("form", MAKERS)
def test_a_place_that_several_windows_take_has_the_gradient_of_one(form: str) -> None:
    """The largest element of 4 overlapping windows is put back once: the result changes as it does, not by 4 times."""
    builder = Builder("one")
    image = builder.input("x", TensorType("f32", (1, 5, 5)))
    attributes = ((3, 3), (1, 1))
    pooled, places = builder.apply(MaxPool(*attributes), [image]), builder.apply(PoolIndices(*attributes), [image])
    net = builder.net([Output("y", builder.apply(MaxUnpool(), [pooled, places, image]))])
    x = torch.arange(25.0).reshape(1, 1, 5, 5)
    x[0, 0, 2, 2] = 100
    x.requires_grad_()
    y = MAKERS[form](net)(x)["y"]
    y.sum().backward()
    assert x.grad is not None
    assert y[0, 0, 2, 2] == 100
    assert x.grad[0, 0].tolist() == [[0] * 5, [0] * 5, [0, 0, 1, 0, 0], [0] * 5, [0] * 5]
