"""Tensors that a module does not take are refused by name, before anything runs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, fx, nn

from itc.ir import Net
from itc.source import Source
from itc_dsl import load_net
from itc_torch import Network, lower

SPEC = """
network net:
    input image: f32[3, 8, 8]
    input words: i64[5]
    input hint: f32[3, 8, 8] = zeros
    emit y = conv(image + hint, 4, 3)
    emit e = embed(words, 10, 3)
"""
IMAGE, WORDS = torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, dtype=torch.int64)


def net() -> Net:
    return load_net(Source("spec.itn", SPEC))


@pytest.fixture(params=["rolled", "unrolled", "copied"])
def module(request: pytest.FixtureRequest) -> Network:
    if request.param == "copied":
        return copy.deepcopy(lower(net()))
    return lower(net(), request.param)


@pytest.mark.parametrize(
    ("inputs", "kind", "words"),
    [
        ((IMAGE[0], WORDS), ValueError, r"`image` is f32\[batch, 3, 8, 8\], not \[3, 8, 8\]; .* `image\[None\]`"),
        ((IMAGE[None], WORDS), ValueError, r"`image` .* not \[1, 2, 3, 8, 8\]"),
        ((torch.zeros(2, 8, 8, 8), WORDS), ValueError, "`image` .*: 3 channels"),
        ((IMAGE, WORDS, torch.zeros(2, 1, 8, 8)), ValueError, "`hint` .*: 3 channels"),
        ((IMAGE, WORDS[:1]), ValueError, "`words` has 1 samples, `image` has 2"),
        ((IMAGE.to(torch.complex64), WORDS), TypeError, "`image` .*, not torch.complex64"),
        ((IMAGE.to(torch.uint8), WORDS), TypeError, "`image` .*, not torch.uint8"),
        ((IMAGE, WORDS.float()), TypeError, r"`words` is i64\[batch, 5\], not torch.float32"),
        ((IMAGE.numpy(), WORDS), TypeError, "`image` .*: a tensor, not ndarray"),
        ((None, WORDS), TypeError, "`image` .*: a tensor, not NoneType"),
        ((IMAGE,), TypeError, "words"),
        ((IMAGE, WORDS, IMAGE, IMAGE), TypeError, "argument"),
    ],
)
def test_tensors_that_do_not_fit(module: Network, inputs: tuple[Any, ...], kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        module(*inputs)
    with pytest.raises(kind, match=words):
        list(module.iterate(*inputs))


def test_other_sizes_and_precisions_fit(module: Network) -> None:
    image = torch.zeros(1, 3, 9, 6)
    assert module(image, WORDS[:1], image)["y"].shape == (1, 4, 9, 6)
    assert module(IMAGE, WORDS, None)["y"].shape == (2, 4, 8, 8)
    assert module(words=WORDS, image=IMAGE)["y"].shape == (2, 4, 8, 8)
    assert module.double()(IMAGE.double(), WORDS.int())["y"].dtype == torch.float64


def test_a_module_can_be_traced_as_part_of_another(module: Network) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module

        def forward(self, image: Tensor, words: Tensor) -> Any:
            return self.inner(image * 1, words)["y"]

    class Tracer(fx.Tracer):
        def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
            return isinstance(m, Network) and bool(module_qualified_name)

    outer = Outer()
    traced = fx.GraphModule(outer, Tracer().trace(outer))
    torch.testing.assert_close(traced(IMAGE, WORDS), module(IMAGE, WORDS)["y"])


@pytest.mark.parametrize("form", ["flat", "", None, []])
def test_another_form(form: Any) -> None:
    with pytest.raises(ValueError, match="the form is rolled or unrolled"):
        lower(net(), form)
