"""Parameters and state_dicts have one order in every form, so that states of optimizers fit all of them."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch

from itc.ir import Net, Param, parse_net, verify
from itc_torch import lower
from itc_torch.parameters import placeholders
from itc_torch.source.parameters import tree
from tests.torch.forms import MAKERS, modules, tensors, written
from tests.zoo.reduced import first_networks, networks, reduced

# Keys whose modules alternate and differ in depth, trained and not, with some of the root's own.
NET = verify(
    parse_net("""
net @mixed(%x: f32[4]) {
  param @b.weight: f32[4] {role = weight, init = ones}
  param @a.c.weight: f32[4] {role = weight, init = ones}
  param @b.mean: f32[4] {role = constant, init = zeros}
  param @b.bias: f32[4] {role = bias, init = zeros}
  param @own: f32[4] {role = weight, init = ones}
  param @a.weight: f32[4] {role = weight, init = ones}
  %p1 = parameter(%x, @a.c.weight): f32[4]
  %p2 = parameter(%x, @b.weight): f32[4]
  %p3 = parameter(%x, @b.bias): f32[4]
  %p4 = parameter(%x, @b.mean): f32[4]
  %p5 = parameter(%x, @own): f32[4]
  %p6 = parameter(%x, @a.weight): f32[4]
  %2 = mul(%x, %p1): f32[4]
  %3 = mul(%2, %p2): f32[4]
  %4 = add(%3, %p3): f32[4]
  %5 = add(%4, %p4): f32[4]
  %6 = mul(%5, %p5): f32[4]
  %1 = mul(%6, %p6): f32[4]
  return %1 {name = y}
}
""")
)
ORDER = ["own", "b.weight", "b.bias", "b.mean", "a.weight", "a.c.weight"]


def declared(net: Net) -> list[str]:
    """Of each module its parameters, its buffers, then its modules, each in the order of the net's parameters."""

    def keys(part: Param | object) -> list[str]:
        if isinstance(part, Param):
            return [part.key]
        parts = list(part.values())  # type: ignore[attr-defined]
        own = [p for p in parts if isinstance(p, Param)]
        listed = [*(p.key for p in own if p.trained), *(p.key for p in own if not p.trained)]
        return listed + [key for p in parts if not isinstance(p, Param) for key in keys(p)]

    return keys(tree(net))


def test_modules_stand_where_their_first_parameter_does() -> None:
    assert declared(NET) == ORDER
    for module in modules(NET, {key: torch.ones(4).numpy() for key in ORDER}).values():
        assert list(module.state_dict()) == list(deepcopy(module).state_dict()) == ORDER
        assert [key for key, _ in module.named_parameters()] == [key for key in ORDER if key != "b.mean"]


@pytest.mark.parametrize(("path", "name"), first_networks(), ids=[name for _, name in first_networks()])
def test_the_first_network_of_each_file(path: Path, name: str) -> None:
    net = reduced(path, name).ir
    with torch.device("meta"):
        assert list(written(net).state_dict()) == declared(net)
    assert list(lower(net, "rolled", placeholders).state_dict()) == declared(net)


@pytest.mark.long
@pytest.mark.parametrize(("path", "name"), networks(), ids=[name for _, name in networks()])
def test_every_network_in_every_form(path: Path, name: str) -> None:
    net = reduced(path, name).ir
    for make in MAKERS.values():
        module = make(net)
        assert list(module.state_dict()) == declared(net)
        assert [key for key, _ in module.named_parameters()] == [p for p in declared(net) if p in trained(net)]


def trained(net: Net) -> set[str]:
    return {param.key for param in net.params if param.trained}


def test_an_optimizers_state_goes_from_form_to_form() -> None:
    """Momentum of every parameter, saved from one form, is that of the same parameter in the others."""
    made = {form: make(NET) for form, make in MAKERS.items()}
    optimizers = {form: torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9) for form, module in made.items()}
    made["rolled"](*tensors({"x": torch.arange(8.0).reshape(2, 4).numpy()}))["y"].square().sum().backward()
    optimizers["rolled"].step()
    wanted = {key: optimizers["rolled"].state[p]["momentum_buffer"] for key, p in made["rolled"].named_parameters()}
    assert len({tuple(value.tolist()) for value in wanted.values()}) > 1
    for form in ("unrolled", "written"):
        optimizers[form].load_state_dict(optimizers["rolled"].state_dict())
        for key, parameter in made[form].named_parameters():
            assert torch.equal(optimizers[form].state[parameter]["momentum_buffer"], wanted[key])
