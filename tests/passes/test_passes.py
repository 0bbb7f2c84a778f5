"""What each pass does and leaves alone, on nets of a few statements; names, options and bounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from itc.analysis.cost import cost
from itc.cli import app
from itc.diagnostics import CompileError
from itc.driver import find_pass, load
from itc.interpreter import interpret
from itc.ir import Loop, Net, parse_net, print_net, verify
from itc.passes import Rewritten, WrongPass, named
from itc.transforms import EXACT, TRANSFORMS, Hoist
from tests.random_nets import difference, random_inputs, random_weights

ROOT = Path(__file__).parents[2]

LOOP = """net @loop(%x: f32[2]) {{
  param @a.weight: f32[2, 2] {{role = weight, init = uniform}}
  param @n.weight: {sets}f32[2] {{role = scale, init = ones}}
  param @n.bias: {sets}f32[2] {{role = shift, init = zeros}}
  param @n.running_mean: {sets}f32[2] {{role = mean, init = zeros}}
  param @n.running_var: {sets}f32[2] {{role = var, init = ones}}
  %r{more} = loop %t in 1..{count} carry (%c = %x) {{
    {body}
    yield %y
  }}: f32[2]{types}
  return %r {{name = r}}{returned}
}}
"""
NORM = "@n.weight{i}, @n.bias{i}, @n.running_mean{i}, @n.running_var{i}"


def loop(*body: str, index: str = "", sets: str = "", count: int = 4) -> Net:
    """A loop of these statements, in which `{n}` is a norm's parameters."""
    text = "\n    ".join(line.replace("{n}", NORM.replace("{i}", index)) for line in body)
    return verify(parse_net(LOOP.format(sets=sets, count=count, body=text, more="", types="", returned="")))


def after(net: Net, *names: str) -> str:
    """The text behind passes, which keep the values."""
    result = Rewritten(net)
    for name in names:
        result = result.then(named(name, TRANSFORMS)(result.net))
    weights, inputs = random_weights(net), random_inputs(net)
    expected, found = interpret(net, inputs, weights), interpret(result.net, inputs, result.adapt(weights))
    assert all(difference(found[label], expected[label]) < 1e-5 for label in expected)
    return print_net(result.net)


STOCHASTIC = loop(
    "%1 = linear(%x, @a.weight): f32[2]",
    "%2 = dropout(%1): f32[2]",
    "%3 = dropout(%1): f32[2]",
    "%4 = batch_norm(%1, {n}): f32[2]",
    "%5 = batch_norm(%1, {n}): f32[2]",
    "%6 = add(%2, %3): f32[2]",
    "%7 = add(%4, %5): f32[2]",
    "%8 = add(%6, %7): f32[2]",
    "%y = add(%c, %8): f32[2]",
)


def test_what_training_draws_and_counts_is_neither_merged_nor_moved() -> None:
    text = after(STOCHASTIC, "default")
    _, body = text.split(" = loop ")
    assert "linear" not in body
    assert body.count("dropout") == body.count("batch_norm") == 2
    inference = after(STOCHASTIC, "cse(training=false)", "licm(training=false)")
    outside, body = inference.split(" = loop ")
    assert outside.count("= dropout") == outside.count("= batch_norm") == 1
    assert "dropout" not in body


def test_nothing_leaves_a_loop_that_runs_no_iteration() -> None:
    (statement,) = STOCHASTIC.body
    assert isinstance(statement, Loop)
    none = STOCHASTIC.with_body((replace(statement, count=0),))
    assert Hoist(training=False).rewrite(none).net == none


def test_only_what_the_first_iteration_runs_leaves_a_branch() -> None:
    branch = "%y = when %t in {SET} {{\n %1 = linear(%x, @a.weight): f32[2]\n %2 = batch_norm(%1, {n}): f32[2]\n"
    rest = " %3 = add(%c, %2): f32[2]\n yield %3\n } else {\n yield %c\n }: f32[2]"
    for chosen, leaves in (("1, 3", True), ("2..4", False)):
        net = loop(branch.replace("{{", "{").replace("{SET}", "{" + chosen + "}") + rest)
        text = after(net, "licm")
        assert ("linear" in text.split(" = loop ")[0]) == leaves
        assert cost(parse_net(text)).macs == (4 if leaves else cost(net).macs)


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("peel", ["@n.weight[0]", "@n.weight[%t+1 in {1..4}]", "loop %t in 1..3"]),
        ("peel(first=0, last=1)", ["@n.weight[3]", "@n.weight[%t in {1..4}]", "loop %t in 1..3"]),
        ("peel(first=2, last=2)", [f"@n.weight[{n}]" for n in range(4)]),
        ("unroll", [f"@n.weight[{n}]" for n in range(4)]),
        ("unroll(factor=2)", ["@n.weight[2*%t-1 in {1..4}]", "@n.weight[2*%t in {1..4}]", "loop %t in 1..2"]),
        ("unroll(factor=3)", ["@n.weight[3*%t-2 in {1..4}]", "@n.weight[3*%t in {1..4}]", "@n.weight[3]"]),
        ("unroll(factor=1)", ["@n.weight[%t]", "loop %t in 1..4"]),
    ],
)
def test_iterations_keep_their_sets(name: str, texts: list[str]) -> None:
    step = ("%1 = linear(%c, @a.weight): f32[2]", "%y = batch_norm(%1, {n}): f32[2]")
    text = after(loop(*step, index="[%t]", sets="4 x "), name)
    assert all(part in text for part in texts)
    assert all(
        line in text for line in print_net(loop(*step, index="[%t]", sets="4 x ")).splitlines() if "param" in line
    )
    every = after(loop(*step, index="[%t/3]", sets="2 x "), name)
    assert parse_net(every).param["n.weight"].sets == (2,)


@pytest.mark.parametrize("index", ["[%t+1]", "[%t-1]", "[2*%t]", "[%t+2/2]"])
def test_iterations_without_a_set_are_faults(index: str) -> None:
    with pytest.raises(CompileError, match="has no set for some iterations"):
        loop("%y = batch_norm(%c, {n}): f32[2]", index=index, sets="2 x " if "/" in index else "4 x ")


HALTING = """net @halting(%x: f32[1], %z: f32[1]) {
  %s, %same, %n, %r = loop %t in 1..6 carry (%c = %z, %d = %z) {
    %1 = affine(%c) {offset = 1.0}: f32[1]
    %2 = affine(%x): f32[1]
    %3 = loop %u in 1..1 carry (%e = %2) {
      yield %e
    }: f32[1]
    halt act %3 {limit = 0.01, ponder = 0.001}
    yield %1, %d
  }: f32[1], f32[1], f32[1], f32[1]
  return %s {name = s}
  return %same {name = same}
  return %n {name = n}
  return %r {name = r}
}
"""


def test_a_loop_that_halts_stays_with_its_score_and_its_sums() -> None:
    """The score stands for a value from outside, and has to be made inside; a carry that does not change is a sum."""
    net = verify(parse_net(HALTING))
    inputs = {"x": np.array([[0.4], [0.1], [0.995]], np.float32), "z": np.ones((3, 1), np.float32)}
    expected = interpret(net, inputs, {})
    for name in (*EXACT, "unroll(factor=2)", "peel"):
        found = named(name, TRANSFORMS)(net).net
        halting = [s for s in found.body if isinstance(s, Loop)]
        assert [len(s.carries) for s in halting if s.halt] == [2], name
        outputs = interpret(found, inputs, {})
        assert all(np.allclose(outputs[label], expected[label], rtol=1e-6) for label in expected), name
    with pytest.raises(CompileError, match="E0514"):
        find_pass("fuse")(net)


def test_what_is_too_large_is_refused() -> None:
    many = loop("%y = linear(%c, @a.weight): f32[2]", "%2 = batch_norm(%c, {n}): f32[2]", count=500_000)
    for name in ("unroll", "unrolled", "unroll(factor=300000)", "peel(first=200000)"):
        with pytest.raises(CompileError) as raised:
            named(name, TRANSFORMS)(many)
        assert raised.value.diagnostics[0].code == "E0161"
    assert len(print_net(named("dce", TRANSFORMS)(many).net).splitlines()) < 10


def test_a_norm_goes_into_the_layer_in_front_of_it_where_both_have_the_same_sets() -> None:
    step = ("%1 = linear(%c, @a.weight): f32[2]", "%y = batch_norm(%1, {n}): f32[2]")
    folded = after(loop(*step), "fold-norms")
    assert "%y = linear(%c, @a.weight, @a.bias): f32[2]" in folded
    assert "@n." not in folded
    kept = after(loop(*step, index="[%t]", sets="4 x "), "fold-norms")
    assert "%y = scale_shift(%1, @n.weight[%t], @n.bias[%t]): f32[2]" in kept
    assert "running" not in kept
    both = ("%2 = linear(%1, @a.weight): f32[2]", "%3 = batch_norm(%2, {n}): f32[2]", "%y = add(%3, %2): f32[2]")
    assert "scale_shift(%2, @n.weight, @n.bias)" in after(loop("%1 = relu(%c): f32[2]", *both), "fold-norms")


def test_names_and_options() -> None:
    assert find_pass("unroll ( factor = 2 )") == find_pass("unroll(factor=2)")
    for text, said in {
        "canonicalise": "did you mean `canonicalize`",
        "unroll(factr=2)": "it has factor=0",
        "unroll(factor=two)": "must be a non-negative integer",
        "unroll(factor=-1)": "must be a non-negative integer",
        "unroll(factor=2": "closing parenthesis",
        "cse(training=maybe)": "must be true or false",
        "default(training=false)": "has no options",
        "dce(x=1)": "no options",
        "": "unknown pass",
    }.items():
        with pytest.raises(WrongPass, match=said):
            find_pass(text)


def test_an_unknown_pass_is_a_wrong_use() -> None:
    spec = str(Path(__file__).parent / "small.itn")
    wrong = CliRunner().invoke(app, ["show", spec, "--after", "dse"])
    assert wrong.exit_code == 2
    assert "did you mean" in wrong.output
    shown = CliRunner().invoke(app, ["show", spec, "--after", "default", "--after", "unroll"])
    assert shown.exit_code == 0
    assert shown.output == load(spec).after("default", "unroll").text()


@pytest.mark.long
@pytest.mark.parametrize("spec", sorted((ROOT / "examples").glob("*.itn")), ids=lambda path: path.stem)
def test_unrolling_an_example_keeps_its_costs(spec: Path) -> None:
    before, after = load(spec).cost(), load(spec).after("unroll").cost()
    assert (after.params, after.macs, after.latency) == (before.params, before.macs, before.latency)
    latencies = {output.label: output.latency for output in before.outputs}
    assert {output.label: output.latency for output in after.outputs} == latencies


EXITS = """net @exits(%x: f32[1, 4, 4]) {
  param @a: 6 x f32[1, 1, 1, 1] {role = weight, init = zeros}
  param @b: f32[1, 1, 1, 1] {role = weight, init = zeros}
  param @head: 3 x f32[1, 1, 1, 1] {role = weight, init = zeros}
  %r, %early = loop %t in 1..6 carry (%s = %x) {
    %0 = conv(%s, @a[%t]): f32[1, 4, 4]
    emit when %t in {1..5 by 2} {
      %1 = conv(%0, @head[%t in {1..5 by 2}]): f32[1, 4, 4]
      yield %1
    }
    %2 = conv(%x, @b): f32[1, 4, 4]
    %3 = add(%0, %2): f32[1, 4, 4]
    yield %3
  }: f32[1, 4, 4], 3 x f32[1, 4, 4]
  return %early {name = early, at = {1..5 by 2}}
  return %r {name = r}
}
"""


@pytest.mark.parametrize("name", ["unroll", "unroll(factor=2)", "unroll(factor=4)", "peel", "peel(first=2, last=1)"])
def test_exits_cost_the_same_behind_copies_of_a_body(name: str) -> None:
    """A convolution is 16 MACs and one parameter; two stand in an iteration, one of them before the exit."""
    net = verify(parse_net(EXITS))
    expected = {"early@1": (2, 2, 2), "early@3": (7, 6, 4), "early@5": (12, 9, 6), "r": (15, 10, 6)}
    for found in (net, named(name, TRANSFORMS)(net).net):
        costs = {o.label: (o.macs // 16, o.params, o.latency) for o in cost(found).outputs}
        assert costs == expected


def test_what_stands_behind_an_exit_of_the_first_iteration_stays() -> None:
    """Else the first exit would pay for it; behind a later exit it has run before."""
    net = verify(parse_net(EXITS))
    assert named("licm", TRANSFORMS)(net).net == net
    later = verify(parse_net(EXITS.replace("{1..5 by 2}", "{2..6 by 2}")))
    outside, _ = print_net(named("licm", TRANSFORMS)(later).net).split(" = loop ")
    assert "conv(%x, @b)" in outside
