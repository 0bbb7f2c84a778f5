"""The verifier finds every kind of fault that a net can have, and nothing in a net without one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from itc.diagnostics import CompileError
from itc.ir import Apply, Index, IterationSet, Net, Output, Param, ParamRef, TensorType, Value, parse_net, verify
from itc.ir.ops.pointwise import Relu

SOUND = """\
net @sound(%image: f32[2, 8, 8]) {
  param @w: f32[2, 2, 3, 3] {role = weight, init = kaiming}
  param @p: 4 x f32[2, 2, 1, 1] {role = weight, init = kaiming}
  param @h: 2 x f32[3, 2, 1, 1] {role = weight, init = kaiming}
  %state, %seg, %all = loop %t in 1..4 carry (%s = %image) {
    %1 = conv(%s, @w) {pad = [1, 1]}: f32[2, 8, 8]
    %2 = when %t in {2..4} {
      %3 = add(%1, %s): f32[2, 8, 8]
      yield %3
    } else {
      yield %1
    }: f32[2, 8, 8]
    %4 = conv(%2, @p[%t]): f32[2, 8, 8]
    emit when %t in {1, 4} {
      %5 = conv(%4, @h[%t in {1, 4}]): f32[3, 8, 8]
      yield %5
    }
    emit when %t in {1..4} {
      yield %4
    }
    yield %4
  }: f32[2, 8, 8], 2 x f32[3, 8, 8], 4 x f32[2, 8, 8]
  %last = loop %u in 1..4 each (%e = %all) carry (%c = %state) {
    %6 = add(%c, %e): f32[2, 8, 8]
    yield %6
  }: f32[2, 8, 8]
  return %seg {name = seg, at = {1, 4}, loss = cross_entropy, weight = [1.0]}
  return %last {name = last}
}
"""

# By name: a substring of the sound text, its replacement, and part of the verifier's message.
FAULTS = {
    "name of the net": ("net @sound", "net @a.b", "`a.b` is not a name"),
    "name with a point": ("net @sound", "net @1.2", "`1.2` is not a name"),
    "length of a name": ("net @sound", f"net @{'n' * 1001}", "is not a name"),
    "empty part of a key": (
        "param @w:",
        "param @v..a: f32[2] {role = scale, init = ones}\n  param @w:",
        "`v..a` is not a key",
    ),
    "parts of a key": (
        "param @w:",
        f"param @v{'.a' * 256}: f32[2] {{role = scale, init = ones}}\n  param @w:",
        "has 257 segments",
    ),
    "name of an output": ("name = last", 'name = "a\x1b[2Jb"', "is not a valid name of an output"),
    "length of an output's name": ("name = last", f"name = {'n' * 1001}", "is not a valid name of an output"),
    "type": (
        "%1 = conv(%s, @w) {pad = [1, 1]}: f32[2, 8, 8]",
        "%1 = conv(%s, @w) {pad = [1, 1]}: f32[3, 8, 8]",
        "the result types are f32[2, 8, 8]",
    ),
    "rule": ("%1 = conv(%s, @w) {pad = [1, 1]}", "%1 = conv(%s, @w) {pad = [1, 1], groups = 2}", "channels"),
    "attribute": ("conv(%s, @w) {pad = [1, 1]}", "conv(%s, @w) {pad = [1, 1], stride = [0, 1]}", "at least 1"),
    "operands": ("%3 = add(%1, %s)", "%3 = add(%1)", "takes 2 operands, not 1"),
    "series as operand": ("%6 = add(%c, %e)", "%6 = add(%c, %all)", "takes tensors"),
    "sets": ("@p: 4 x", "@p: 3 x", "3 sets, its index needs 4"),
    "axes of sets": ("conv(%4, @h[%t in {1, 4}])", "conv(%4, @h)", "not declared with 0 set axes"),
    "set out of range": ("conv(%2, @p[%t])", "conv(%2, @p[4])", "no set 4"),
    "iteration without a set": ("@h[%t in {1, 4}]", "@h[%t in {1, 3}]", "has no set for some iterations"),
    "emit beyond the loop": ("emit when %t in {1..4}", "emit when %t in {1..5}", "is not a set of iterations of 1..4"),
    "emit of no iteration": ("emit when %t in {1..4}", "emit when %t in {}", "is not a set of iterations of 1..4"),
    "when beyond the loop": ("when %t in {2..4}", "when %t in {2..5}", "is not a set of iterations of %t"),
    "branch types": ("      yield %1\n    }: f32", "      yield %1, %1\n    }: f32", "a branch yields"),
    "carry types": ("    yield %4\n  }: f32", "    yield %4, %4\n  }: f32", "the body yields"),
    "loop types": (
        "2 x f32[3, 8, 8], 4 x f32[2, 8, 8]",
        "2 x f32[3, 8, 8], 3 x f32[2, 8, 8]",
        "the results of the loop are",
    ),
    "each of another length": ("loop %u in 1..4 each", "loop %u in 1..3 each", "the elements of the series are"),
    "exits": ("name = seg, at = {1, 4}", "name = seg, at = {1, 2, 4}", "has 3 exits"),
    "exits of a tensor": ("{name = last}", "{name = last, at = {1}}", "exits"),
    "loss weights": ("weight = [1.0]", "weight = [1.0, 2.0, 3.0]", "3 loss weights for 2 exits"),
    "labels": ("{name = last}", '{name = "seg@4"}', "two outputs have the same name"),
    "unused parameter": ("conv(%s, @w) {pad = [1, 1]}", "relu(%s)", "no operation reads @w"),
    "init": (
        "@w: f32[2, 2, 3, 3] {role = weight, init = kaiming}",
        "@w: f32[2, 2, 3, 3] {role = weight, init = x}",
        "init",
    ),
}


def test_a_sound_net_has_no_fault() -> None:
    verify(parse_net(SOUND))


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str) -> None:
    before, after, message = FAULTS[name]
    assert SOUND.count(before) == 1
    refuses(parse_net(SOUND.replace(before, after)), message)


def test_names_of_values() -> None:
    for name in ("image", "%t", "%s"):
        text = SOUND.replace(name, f"{name[:1]}{'i' * 1001}")
        refuses(parse_net(text), "is not a name")
    x = Value("a b", TensorType("f32", (2,)))
    refuses(Net("n", (x,), (), (), (Output("y", x),)), "`a b` is not a name")


def refuses(net: Net, message: str) -> None:
    with pytest.raises(CompileError, match="E0160") as raised:
        verify(net)
    assert any(message in diagnostic.message for diagnostic in raised.value.diagnostics), raised.value


def with_relu(of: Value, result: str = "9", at: int = 2) -> Net:
    """The sound net with `relu(of)` before its statement `at`."""
    net = parse_net(SOUND)
    relu = Apply(Relu(), (of,), (Value(result, of.type),))
    return net.with_body((*net.body[:at], relu, *net.body[at:]))


TENSOR = TensorType("f32", (2, 8, 8))


def test_use_before_definition() -> None:
    refuses(with_relu(Value("state", TENSOR), at=0), "%state: f32[2, 8, 8] is not in scope")


def test_use_of_what_a_body_keeps() -> None:
    refuses(with_relu(Value("4", TENSOR)), "%4: f32[2, 8, 8] is not in scope")


def test_use_as_another_type() -> None:
    refuses(with_relu(Value("state", TensorType("f32", (3, 8, 8)))), "%state: f32[3, 8, 8] is not in scope")


def test_two_definitions() -> None:
    refuses(with_relu(Value("image", TENSOR), result="state"), "%state is defined twice")


def test_two_parameters_of_one_key() -> None:
    net = parse_net(SOUND)
    refuses(replace(net, params=(*net.params, net.params[0])), "two parameters have the same key")


def test_a_parameter_that_is_not_declared() -> None:
    net = parse_net(SOUND)
    refuses(replace(net, params=net.params[1:]), "@w is not declared")


def test_a_parameter_without_sets() -> None:
    net = parse_net(SOUND)
    none = Param("none", TensorType("f32", (2,)), "bias", "zeros", (0,))
    refuses(replace(net, params=(*net.params, none)), "@none has no sets")


def test_an_index_by_a_loop_that_is_not_around() -> None:
    net = parse_net(SOUND)
    image = net.inputs[0]
    index = Index("t", IterationSet.span(1, 4))
    loop = net.body[0]
    conv = next(
        s for s in loop.body.statements if isinstance(s, Apply) and s.op.name == "conv" and not s.op.attributes()
    )
    outside = Apply(conv.op, (image, ParamRef("p", (index,))), (Value("9", TENSOR),))
    refuses(net.with_body((*net.body, outside)), "%t, which is not the variable of an enclosing loop")


def test_all_faults_are_told_at_once() -> None:
    text = SOUND.replace("@p: 4 x", "@p: 3 x").replace("weight = [1.0]", "weight = [1.0, 2.0, 3.0]")
    with pytest.raises(CompileError) as raised:
        verify(parse_net(text))
    assert len(raised.value.diagnostics) == 2
