"""Every pass and pipeline on random nets with loops, sharing, exits and halting: equal outputs, no higher costs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from itc.analysis.cost import Cost, OutputCost, cost
from itc.interpreter import interpret
from itc.ir import Apply, Loop, Net, parse_net, print_net, walk
from itc.passes import named
from itc.transforms import EXACT, TRANSFORMS
from tests.random_nets import Case, Limits, cases, difference, on_random_nets

PARTLY = ("unroll(factor=2)", "unroll(factor=3)", "peel", "peel(first=0, last=1)", "peel(first=2, last=1)")
ALL = (*EXACT, *PARTLY)
STABLE = ("canonicalize", "canonicalize(training=false)", "cse", "cse(training=false)", "dce")
NO_DEARER = (*STABLE, "licm", "licm(training=false)")
LIMITS = Limits(halting=True)

few = settings(on_random_nets, max_examples=12)
many = settings(on_random_nets, max_examples=100)


def values_and_text_stay(case: Case) -> None:
    for name in (*ALL, *NO_DEARER):
        found = named(name, TRANSFORMS)(case.net)
        assert parse_net(print_net(found.net)) == found.net, name
        weights = found.adapt(case.weights)
        assert {key: value.shape for key, value in weights.items()} == {p.key: p.shape for p in found.net.params}, name
        outputs = interpret(found.net, case.inputs, weights)
        assert sorted(outputs) == sorted(found.net.labels) == sorted(case.net.labels), name
        worst = max(difference(outputs[label], expected) for label, expected in case.outputs.items())
        assert worst < 1e-5, (name, worst)


def what_is_clean_stays(case: Case) -> None:
    for name in STABLE:
        each = named(name, TRANSFORMS)
        once = each(case.net).net
        assert each(once).net == once, name


def costs_do_not_rise(case: Case) -> None:
    before = cost(case.net)
    for name in NO_DEARER:
        after = cost(named(name, TRANSFORMS)(case.net).net)
        assert after.macs <= before.macs, name
        assert after.params <= before.params, name
        for was, now in pairs(before, after):
            assert now.macs <= was.macs, (name, was.label)
            assert now.params <= was.params, (name, was.label)
    exact = made_last(case.net)
    for name in ("unroll", *PARTLY):
        after = cost(named(name, TRANSFORMS)(case.net).net)
        assert (after.macs, after.params) == (before.macs, before.params), name
        for was, now in pairs(before, after):
            assert now.latency == was.latency, (name, was.label)
            assert now.macs <= was.macs and now.params <= was.params, (name, was.label)
            if was.label in exact:
                assert (now.macs, now.params) == (was.macs, was.params), (name, was.label)


def pairs(before: Cost, after: Cost) -> list[tuple[OutputCost, OutputCost]]:
    """Each output before and after a pass; exits of one output may stand apart behind it."""
    now = {output.label: output for output in after.outputs}
    return [(output, now[output.label]) for output in before.outputs]


def made_last(net: Net) -> set[str]:
    """Labels of outputs that the last operation before them makes: in the net's body, or in an emit's."""
    made = {s.results[-1].name for s in net.body if isinstance(s, Apply)}
    for loop in (s for s in net.body if isinstance(s, Loop)):
        for emit, series in loop.collected:
            last = emit.body.statements[-1:]
            if last and isinstance(last[0], Apply):
                made |= {r.name for r, value in zip(series, emit.body.yields, strict=True) if value in last[0].results}
    return {label for output in net.outputs if output.value.name in made for label in output.labels}


def only_loops_that_halt_and_their_series_stay(case: Case) -> None:
    loops = [s for s in walk(case.net.body) if isinstance(s, Loop)]
    left = [s for s in walk(TRANSFORMS["unroll"](case.net).net.body) if isinstance(s, Loop)]
    if all(loop.halt is None for loop in loops):
        assert not left
    assert all(loop.halt or loop.each or loop.emits for loop in left)


PROPERTIES = (
    values_and_text_stay,
    what_is_clean_stays,
    costs_do_not_rise,
    only_loops_that_halt_and_their_series_stay,
)


@few
@given(cases(LIMITS))
def test_passes_on_random_nets(case: Case) -> None:
    for holds in PROPERTIES:
        holds(case)


@pytest.mark.long
@many
@given(cases(LIMITS))
def test_passes_on_many_random_nets(case: Case) -> None:
    for holds in PROPERTIES:
        holds(case)
