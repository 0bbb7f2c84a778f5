"""Names of a spec and those that a module needs itself never meet: whatever a net calls its parts, modules run."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from itc.diagnostics import CompileError
from itc.interpreter import interpret
from itc.ir import Net, parse_net, verify
from itc.ir.op import Array
from itc_torch import emit_module, functions, halting
from itc_torch.names import HALTING, MODULE_NAMES, OWN, argument_names, check_keys, class_name
from itc_torch.source import parameters
from tests.random_nets import difference, random_inputs, random_weights
from tests.torch.forms import modules

#: Every kind of thing that has a name: net, inputs, parts of keys, values, loops, series and outputs.
NAMED = """
net @{name}(%{name}: f32[2, 4, 4], %{name}_: f32[2, 4, 4] = zeros) {{
  param @{key}.{key}.weight: f32[2, 2, 1, 1] {{role = weight, init = kaiming}}
  param @top.{key}: f32[2] {{role = scale, init = ones}}
  param @top.shift: f32[2] {{role = shift, init = zeros}}
  param @top.mean: f32[2] {{role = mean, init = zeros}}
  param @top.var: f32[2] {{role = var, init = "0.5"}}
  param @score.{key}: f32[1, 2, 1, 1] {{role = weight, init = uniform}}
  %{name}_2 = conv(%{name}, @{key}.{key}.weight): f32[2, 4, 4]
  %0 = batch_norm(%{name}_2, @top.{key}, @top.shift, @top.mean, @top.var): f32[2, 4, 4]
  %r, %s = loop %{name}_3 in 1..7 carry (%{name}_4 = %0) {{
    %{name}_5 = add(%{name}_4, %{name}): f32[2, 4, 4]
    emit when %{name}_3 in {{1, 2, 3, 5, 7}} {{
      yield %{name}_5
    }}
    yield %{name}_5
  }}: f32[2, 4, 4], 5 x f32[2, 4, 4]
  %h, %taken, %rest = loop %{name}_6 in 1..3 carry (%{name}_7 = %r) {{
    %a = conv(%{name}_7, @score.{key}): f32[1, 4, 4]
    %b = sigmoid(%a): f32[1, 4, 4]
    %c = mul(%{name}_7, %{name}_): f32[2, 4, 4]
    halt act %b {{limit = 0.9, ponder = 0.0}}
    yield %c
  }}: f32[2, 4, 4], f32[1, 4, 4], f32[1, 4, 4]
  return %h {{name = "{name}"}}
  return %taken {{name = "{name}.taken"}}
  return %s {{name = series, at = {{1, 2, 3, 5, 7}}}}
}}
"""
WORDS = (
    *("args", "before", "compute", "group", "halting", "halted", "kwargs", "label", "module", "merged", "outputs"),
    *("score", "self", "sets", "series", "state", "step", "x", "x1", "_", "__", "___", "__x", "__x__", "__class__"),
    *("EXITS", "EXITS_2", "ITERATIONS", "LABELS", "Net", "adaptive_time", "threshold", "conv", "batch_norm", "1", "1_"),
    *("device", "inf", "nan", "NoneType", "fx_pytree", "pytree", "itc_torch", "_operator", "builtins", "typing"),
)
PYTHON = (*keyword.kwlist, *keyword.softkwlist, *dir(builtins))
ALL = sorted({*WORDS, *PYTHON, *MODULE_NAMES, *dir(nn.Module), *dir(fx.GraphModule), *vars(functions)})
FEW = ("self", "torch", "outputs", "range", "class", "_", "__x", "__debug__", "adaptive_time", "threshold", "Group")


def named(name: str) -> Net:
    """A net in which all has this name; parts of keys too if torch can have such."""
    net = parse_net(NAMED.format(name=name, key=name))
    try:
        check_keys(net)
    except CompileError as error:
        assert {diagnostic.code for diagnostic in error.diagnostics} == {"E0290"}
        net = parse_net(NAMED.format(name=name, key="key"))
    return verify(net)


def by_name(net: Net, inputs: Mapping[str, Array]) -> dict[str, Tensor]:
    names = argument_names(value.name for value in net.inputs)
    return {names[name]: torch.from_numpy(array) for name, array in inputs.items()}


def check_name(name: str) -> None:
    """Modules run in every form and agree with the interpreter."""
    net = named(name)
    weights, inputs = random_weights(net), random_inputs(net)
    expected = interpret(net, inputs, weights)
    for form, module in modules(net, weights).items():
        outputs = module(**by_name(net, inputs))
        assert tuple(outputs) == net.labels, form
        assert set(module.state_dict()) == {param.key for param in net.params}, form
        assert all(difference(outputs[k].detach().numpy(), expected[k]) <= 1e-5 for k in expected), form


@pytest.mark.parametrize("name", FEW)
def test_a_name_that_modules_need(name: str) -> None:
    check_name(name)


@pytest.mark.long
def test_all_names_that_modules_may_need() -> None:
    assert len(ALL) > 350
    for name in ALL:
        check_name(name)


@pytest.mark.parametrize("name", ["outputs", "nn", "F", "Tensor", "math", "list", "range", "input", "LABELS", "match"])
def test_inputs_keep_their_names(name: str) -> None:
    """In graphs and in written modules; only words of Python and what graphs read get an underscore."""
    net = verify(parse_net(f"net @n(%{name}: f32[2]) {{\n%0 = relu(%{name}): f32[2]\nreturn %0 {{name = y}}\n}}"))
    x = torch.tensor([[-1.0, 2.0]])
    for form, module in modules(net, {}).items():
        assert module(**{name: x})["y"].tolist() == [[0.0, 2.0]], form
    assert "as the argument" not in emit_module(net)


@pytest.mark.parametrize(
    ("name", "argument"), [("self", "self_"), ("class", "class_"), ("torch", "torch_"), ("__x", "_x")]
)
def test_inputs_that_python_does_not_allow_are_said_to_have_another(name: str, argument: str) -> None:
    net = verify(parse_net(f"net @n(%{name}: f32[2]) {{\n%0 = relu(%{name}): f32[2]\nreturn %0 {{name = y}}\n}}"))
    x = torch.tensor([[-1.0, 2.0]])
    for form, module in modules(net, {}).items():
        assert module(**{argument: x})["y"].tolist() == [[0.0, 2.0]], form
    assert f"Input {name}, as the argument {argument}: [batch, 2]." in emit_module(net)


def test_names_of_inputs_do_not_meet() -> None:
    assert argument_names(["class", "class_", "x"]) == {"class": "class__", "class_": "class_", "x": "x"}


def test_the_names_of_written_modules_are_all_known() -> None:
    assert {*parameters.DEFINITIONS, "Group", "norm"} | OWN | HALTING <= MODULE_NAMES
    assert set(HALTING) == {name for name, value in vars(halting).items() if isinstance(value, type)} & HALTING
    assert all(class_name(name.lower()) not in MODULE_NAMES for name in MODULE_NAMES)


def deep_key(count: int) -> Net:
    key = ".".join(["a"] * count)
    return parse_net(
        f"net @n(%x: f32[2]) {{\nparam @{key}: f32[2] {{role = scale, init = ones}}\n"
        f"%0 = mul(%x, @{key}): f32[2]\nreturn %0 {{name = y}}\n}}"
    )


def test_keys_of_many_parts() -> None:
    net = deep_key(150)
    for form, module in modules(net, random_weights(net)).items():
        assert len(module(torch.ones(1, 2))) == 1, form
    with pytest.raises(CompileError, match=r"E0291.*cannot be written as a module of Python"):
        emit_module(deep_key(250))


def nested(count: int) -> Net:
    """A net of that many loops inside one another."""
    text = f"%v{count} = relu(%c{count}): f32[2]\n"
    for depth in range(count, 0, -1):
        text = (
            f"%v{depth - 1} = loop %t{depth} in 1..2 carry (%c{depth} = %c{depth - 1}) {{\n"
            f"{text}yield %v{depth}\n}}: f32[2]\n"
        )
    return verify(parse_net(f"net @n(%c0: f32[2]) {{\n{text}return %v0 {{name = y}}\n}}"))


def test_loops_as_deep_as_python_allows() -> None:
    x = np.array([[-1.0, 2.0]], np.float32)
    for form, module in modules(nested(10), {}).items():
        assert module(torch.from_numpy(x))["y"].tolist() == [[0.0, 2.0]], form
    emit_module(nested(20))
    with pytest.raises(CompileError, match=r"E0291.*its loops nest 21 deep, Python has at most 20"):
        emit_module(nested(21))
