"""Outputs one by one: each when it is there, and nothing computed for those that nobody takes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.overrides import TorchFunctionMode

from itc.ir import parse_net, verify
from itc.passes import named
from itc.transforms import TRANSFORMS
from itc_torch import Form, Network, anytime, lower
from tests.random_nets import random_inputs
from tests.torch.forms import tensors

NET = verify(
    parse_net("""
net @steps(%image: f32[2, 6, 6]) {
  param @w: f32[2, 2, 1, 1] {role = weight, init = kaiming}
  %0 = conv(%image, @w): f32[2, 6, 6]
  %r, %early, %all = loop %t in 1..5 carry (%x = %0) {
    %1 = conv(%x, @w): f32[2, 6, 6]
    emit when %t in {2, 4} {
      %2 = tanh(%1): f32[2, 6, 6]
      yield %2
    }
    emit when %t in {1..5} {
      yield %1
    }
    yield %1
  }: f32[2, 6, 6], 2 x f32[2, 6, 6], 5 x f32[2, 6, 6]
  %3 = conv(%r, @w): f32[2, 6, 6]
  return %3 {name = end}
  return %early {name = early, at = {2, 4}}
  return %early {name = twin, at = {2, 4}}
  return %0 {name = start}
}
""")
)
ORDER = ["start", "early@2", "twin@2", "early@4", "twin@4", "end"]
CONVS = [1, 3, 3, 5, 5, 7]


class Counted(TorchFunctionMode):
    """Counts convolutions."""

    convs = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.convs += func is torch.conv2d
        return func(*args, **(kwargs or {}))


@pytest.fixture(params=["rolled", "unrolled"])
def module(request: pytest.FixtureRequest) -> Network:
    return lower(NET, request.param).eval()


def test_outputs_come_in_the_order_of_computation(module: Network) -> None:
    assert [label for label, _ in module.iterate(*tensors(random_inputs(NET)))] == ORDER


def test_what_is_not_taken_is_not_computed(module: Network) -> None:
    with Counted() as count:
        run = module.iterate(*tensors(random_inputs(NET)))
        assert count.convs == 0
        for label, convs in zip(ORDER, CONVS, strict=True):
            assert next(run)[0] == label
            assert count.convs == convs
        assert next(run, None) is None
        assert count.convs == CONVS[-1]


def test_stopping_early_runs_no_more(module: Network) -> None:
    with Counted() as count:
        for label, tensor in module.iterate(*tensors(random_inputs(NET))):
            if label == "early@2":
                assert tensor.shape == (2, 2, 6, 6)
                break
    assert count.convs == 3


#: An exit behind each first convolution of an iteration, which has two.
BETWEEN = verify(
    parse_net("""
net @between(%image: f32[2, 6, 6]) {
  param @w: f32[2, 2, 1, 1] {role = weight, init = kaiming}
  %r, %early, %late = loop %t in 1..3 carry (%x = %image) {
    %1 = conv(%x, @w): f32[2, 6, 6]
    emit when %t in {1, 3} {
      %2 = tanh(%1): f32[2, 6, 6]
      yield %2
    }
    %3 = conv(%1, @w): f32[2, 6, 6]
    emit when %t in {1..2} {
      %4 = tanh(%3): f32[2, 6, 6]
      yield %4
    }
    yield %3
  }: f32[2, 6, 6], 2 x f32[2, 6, 6], 2 x f32[2, 6, 6]
  return %late {name = late, at = {1..2}}
  return %early {name = early, at = {1, 3}}
}
""")
)


@pytest.mark.parametrize("form", ["rolled", "unrolled"])
def test_an_exit_comes_before_the_rest_of_its_iteration(form: Form) -> None:
    module = lower(BETWEEN, form).eval()
    (image,) = tensors(random_inputs(BETWEEN))
    with Counted() as count:
        found = [(label, count.convs) for label, _ in module.iterate(image)]
    assert found == [("early@1", 1), ("late@1", 2), ("late@2", 4), ("early@3", 5)]
    at_once = module(image)
    assert all(torch.equal(value, at_once[label]) for label, value in module.iterate(image))


@pytest.mark.parametrize("form", ["rolled", "unrolled"])
@pytest.mark.parametrize("partly", ["unroll(factor=2)", "peel"])
def test_no_more_runs_before_an_exit_of_a_loop_that_is_unrolled_in_part(form: Form, partly: str) -> None:
    module = lower(named(partly, TRANSFORMS)(NET).net, form).eval()
    with Counted() as count:
        found = [(label, count.convs) for label, _ in module.iterate(*tensors(random_inputs(NET)))]
    assert found == list(zip(ORDER, CONVS, strict=True))


def test_inputs_by_name_and_wrong_ones(module: Network) -> None:
    (image,) = tensors(random_inputs(NET))
    assert len(list(anytime(module, image=image))) == len(ORDER)
    for wrong in ((), (image, image)):
        with pytest.raises(TypeError, match="argument"):
            module.iterate(*wrong)
    with pytest.raises(TypeError, match="argument"):
        module.iterate(picture=image)


def test_gradients_flow_through_what_was_taken(module: Network) -> None:
    _, tensor = next(module.iterate(*tensors(random_inputs(NET))))
    tensor.sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
