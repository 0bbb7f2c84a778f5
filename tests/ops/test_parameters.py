"""Parameters that are values: fresh ones by their init, constants by iteration, slopes; and where gradients stop."""

from __future__ import annotations

from math import prod, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import itc
from itc import weights
from itc.analysis.cost import cost
from itc.diagnostics import CompileError
from itc.interpreter import interpret
from itc.ir import Net, Param, TensorType, parse_net, print_net, verify
from itc.ir.op import Array
from itc.ir.ops.position import sinusoids
from itc_torch import emit_module, load_weights, lower, run


def fresh(init: str, shape: tuple[int, ...], sets: tuple[int, ...] = ()) -> Array:
    net = Net("one", (), (Param("p", TensorType("f32", shape), "weight", init, sets),), (), ())
    return weights.initial(net)["p"]


@pytest.mark.parametrize(
    ("init", "std"),
    [
        ("normal", 1),
        ("normal(0.02)", 0.02),
        ("kaiming", sqrt(2 / 90)),
        ("lecun", 0.8796 / sqrt(90)),  # that of a normal distribution cut off at two standard deviations
        ("uniform", 1 / sqrt(3 * 90)),
        ("xavier", sqrt(6 / (90 + 40 * 9) / 3)),
    ],
)
def test_random_inits_have_their_spread(init: str, std: float) -> None:
    values = fresh(init, (40, 10, 3, 3), (3,))
    assert values.shape == (3, 40, 10, 3, 3)
    assert values.std() == pytest.approx(std, rel=0.05)
    assert abs(values.mean()) < 0.05 * std
    if init == "lecun":
        assert np.abs(values).max() <= 2 / sqrt(90) + 1e-6


def test_constants_are_what_they_say() -> None:
    np.testing.assert_allclose(fresh("sinusoid", (6,), (5,)), sinusoids(5, 6), atol=1e-6)
    np.testing.assert_allclose(fresh("sinusoid", (4, 6)), sinusoids(4, 6), atol=1e-6)
    np.testing.assert_array_equal(fresh("values(1, 2.5, -3)", (), (3,)), np.array([1, 2.5, -3], np.float32))
    assert fresh("normal(0.5)", ()).shape == ()


TABLE = """\
net @steps(%x: f32[2, 3]) {
  param @rate: 4 x f32[] {role = constant, init = "values(1, 0.5, 0.25, 0.125)"}
  param @start: f32[3] {role = weight, init = ones}
  %0 = parameter(%x, @start): f32[3]
  %1 = broadcast(%0, %x): f32[2, 3]
  %last = loop %t in 1..4 carry (%c = %1) {
    %2 = parameter(%x, @rate[%t]): f32[]
    %3 = broadcast(%2, %c): f32[2, 3]
    %4 = mul(%x, %3): f32[2, 3]
    %5 = add(%c, %4): f32[2, 3]
    yield %5
  }: f32[2, 3]
  return %last {name = y}
}
"""


def test_a_table_gives_each_iteration_its_number() -> None:
    """A value that is known when compiling and differs between iterations: a constant, one set for each of them."""
    net = verify(parse_net(TABLE))
    assert print_net(net) == TABLE
    assert cost(net).params == 3
    x, values = np.random.default_rng(0).normal(size=(2, 2, 3)).astype(np.float32), weights.initial(net)
    expected = 1 + x * 1.875
    np.testing.assert_allclose(interpret(net, {"x": x}, values)["y"], expected, atol=1e-6)
    for module in (lower(net), lower(net, "unrolled"), written(net)):
        assert [name for name, _ in module.named_parameters()] == ["start"]
        assert [name for name, _ in module.named_buffers()] == ["rate"]
        np.testing.assert_allclose(run(module, {"x": x})["y"], expected, atol=1e-6)


def written(net: Net) -> Any:
    """The emitted module with the values that it starts with itself."""
    namespace: dict[str, Any] = {}
    exec(compile(emit_module(net), "written", "exec"), namespace)
    return next(v for v in namespace.values() if isinstance(v, type) and v.__name__.lower() == net.name)()


@pytest.mark.parametrize("init", ["nothing", "values(1, 2)", "normal(1, 2)", "normal()", "values(nan)", "sinusoid(3)"])
def test_an_init_that_does_not_fit_is_a_fault(init: str) -> None:
    with pytest.raises(CompileError) as error:
        verify(parse_net(TABLE.replace("values(1, 0.5, 0.25, 0.125)", init)))
    assert [d.code for d in error.value.diagnostics] == ["E0160"]


def load(tmp_path: Path, body: str) -> Net:
    path = tmp_path / "spec.itn"
    lines = body.strip().splitlines()
    path.write_text("network one(n=8):\n" + "".join(f"    {line.strip()}\n" for line in lines), encoding="utf-8")
    net: Net = itc.load(path).ir
    return net


INITS = """
    input image: f32[3, n, n]
    a = image |> conv(4, 3, init=xavier) |> prelu |> conv(4, 1, init=lecun) |> prelu(channels=true, slope=0.1)
    shift, places = param([4], init=normal, std=0.5), param([n, n], init=sinusoid, train=false)
    b = a + broadcast(shift, like=a) + broadcast(places, like=a)
    emit y = b |> conv(2, 1, std=0.01) |> conv_transpose(2, 4) |> global_pool |> linear(3, init=zeros)
"""


def test_a_spec_chooses_inits_and_what_is_trained(tmp_path: Path) -> None:
    net = load(tmp_path, INITS)
    roles = {param.key: (param.role, param.init, param.type.shape) for param in net.params}
    assert roles == {
        "conv.weight": ("weight", "xavier", (4, 3, 3, 3)),
        "prelu.weight": ("slope", "0.25", (1,)),
        "conv_2.weight": ("weight", "lecun", (4, 4, 1, 1)),
        "prelu_2.weight": ("slope", "0.1", (4,)),
        "param.weight": ("weight", "normal(0.5)", (4,)),
        "param_2.weight": ("constant", "sinusoid", (8, 8)),
        "conv_3.weight": ("weight", "normal(0.01)", (2, 4, 1, 1)),
        "conv_transpose.weight": ("weight", "kaiming", (2, 2, 4, 4)),
        "linear.weight": ("weight", "zeros", (3, 2)),
        "linear.bias": ("bias", "zeros", (3,)),
    }
    trained = [param for param in net.params if param.role != "constant"]
    assert itc.load(tmp_path / "spec.itn").cost().params == sum(prod(param.shape) for param in trained)
    torch.manual_seed(0)
    module = written(net)
    assert {k: tuple(v.shape) for k, v in module.state_dict().items()} == {p.key: p.shape for p in net.params}
    assert module.state_dict()["conv_3.weight"].std() == pytest.approx(0.01, rel=0.8)
    np.testing.assert_allclose(module.state_dict()["param_2.weight"], sinusoids(8, 8), atol=1e-6)


def test_gradients_stop_at_detach_and_reach_slopes(tmp_path: Path) -> None:
    net = load(
        tmp_path,
        """
        input image: f32[3, n, n]
        x = image |> conv(4, 3) |> detach
        emit y = x |> prelu |> conv(2, 1) |> global_pool
        """,
    )
    for module in (lower(net), lower(net, "unrolled"), written(net)):
        load_weights(module, weights.initial(net))
        module(torch.randn(2, 3, 8, 8))["y"].square().sum().backward()
        gradients = {key: param.grad for key, param in module.named_parameters()}
        assert gradients["conv.weight"] is None
        assert all(gradients[key].abs().max() > 0 for key in ("prelu.weight", "conv_2.weight"))


def test_ids_beyond_the_table_are_no_rows_of_it() -> None:
    from itc.ir.ops.table import Embed

    for ids in (np.array([[3]]), np.array([[-1]])):
        with pytest.raises(IndexError):
            Embed().evaluate(ids, np.zeros((3, 2), np.float32))
