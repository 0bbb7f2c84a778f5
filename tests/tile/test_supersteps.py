"""Bulk-synchronous programs: values from shared memory, times against every iteration one by one, exact text, rules."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from itc.diagnostics import CompileError
from itc.interpreter import interpret
from itc.ir import IterationSet, Net, parse_net
from itc.ir.net import Loop
from itc_tile import load_machine, parse_program, print_program, simulate
from itc_tile.cost.bound import lower_bound
from itc_tile.cost.memory import INPUTS, OUTPUT
from itc_tile.machine.model import Machine
from itc_tile.program.program import Buffer, Program, Supersteps
from itc_tile.program.supersteps.lifetimes import Lifetimes, meet
from itc_tile.program.verify import verify
from itc_tile.simulate.values import TileReadError
from itc_tile.timing import supersteps
from itc_tile.timing.supersteps import SuperstepTiming, time_supersteps
from tests.random_nets import CLOSE, Case, Limits, cases, difference, nets, random_inputs, random_weights
from tests.rounding import close, tolerances
from tests.tile.machines import machines, machines_of_any_units, planned
from tests.tile.supersteps import superstep_programs
from tests.tile.test_simulate import NET

FEW = settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=100)
#: A carry that a kernel in the loop overwrites before its last reader, a swap, a value that lives across a loop, exits.
BACK_EDGES = """net @back_edges(%x: f32[4, 6, 6]) {
  param @a: f32[4, 4, 3, 3] {role = weight, init = kaiming}
  param @b: f32[4, 4, 1, 1] {role = weight, init = kaiming}

  %kept = sigmoid(%x): f32[4, 6, 6]
  %i, %j, %heads = loop %t in 1..5 carry (%s = %x, %r = %kept) {
    %1 = conv(%s, @a) {pad = [1, 1]}: f32[4, 6, 6]
    %2 = tanh(%1): f32[4, 6, 6]
    %3 = conv(%s, @b): f32[4, 6, 6]
    %q = loop %u in 1..3 carry (%z = %3) {
      %4 = conv(%z, @a) {pad = [1, 1]}: f32[4, 6, 6]
      %5 = add(%4, %r): f32[4, 6, 6]
      %6 = tanh(%5): f32[4, 6, 6]
      yield %6
    }: f32[4, 6, 6]
    emit when %t in {1, 3, 4} {
      %7 = conv(%q, @b): f32[4, 6, 6]
      yield %7
    }
    yield %r, %2
  }: f32[4, 6, 6], f32[4, 6, 6], 3 x f32[4, 6, 6]
  %8 = add(%i, %kept): f32[4, 6, 6]
  %9 = add(%8, %j): f32[4, 6, 6]
  return %heads {name = head, at = {1, 3, 4}}
  return %9 {name = y}
}
"""


def large(name: str) -> Machine:
    """A machine whose tiles hold anything."""
    machine = load_machine(name)
    return machine.model_copy(update={"tile": machine.tile.model_copy(update={"memory": 1 << 30})})


def everything() -> Net:
    return parse_net(NET.replace("@a[%t]", "@a[%t in {2, 3, 4}]").replace("param @a: 4", "param @a: 3"))


@pytest.mark.parametrize("net", [everything(), parse_net(BACK_EDGES)], ids=lambda net: net.name)
@settings(FEW, max_examples=2)
@given(st.data())
def test_values_round_back_edges(net: Net, data: st.DataObject) -> None:
    program = data.draw(superstep_programs(net, large("edge-16")))
    check_text(program)
    check_each_iteration(program)
    weights, inputs = random_weights(net), random_inputs(net, 2)
    found, expected = simulate(program, inputs, weights), interpret(net, inputs, weights)
    close(found, expected, tolerances(net, inputs, weights, expected))


@FEW
@given(cases(), st.data())
def test_shared_tiles_compute_what_the_interpreter_does(case: Case, data: st.DataObject) -> None:
    compare(data.draw(superstep_programs(case.net, large("edge-16"))), case)


@FEW
@given(cases(Limits(statements=3)), machines(), st.integers(1, 4))
def test_planned_programs_compute_it_too(case: Case, machine: Machine, batch: int) -> None:
    compare(planned(case.net, machine, batch), case)


@pytest.mark.long
@MANY
@given(cases(), machines())
def test_many_planned_programs_compute_it_too(case: Case, machine: Machine) -> None:
    compare(planned(case.net, machine), case)


def compare(program: Program, case: Case) -> None:
    check_text(program)
    found = simulate(program, case.inputs, case.weights)
    assert list(found) == list(case.outputs)
    assert max(difference(found[label], case.outputs[label]) for label in found) <= CLOSE


def check_text(program: Program) -> None:
    assert verify(parse_program(print_program(program))) == program


@FEW
@given(nets(Limits(statements=3)), machines_of_any_units(), st.integers(1, 3))
def test_times_are_in_order(net: Net, machine: Machine, batch: int) -> None:
    check_times(planned(net, machine, batch))


@pytest.mark.long
@MANY
@given(nets(Limits(statements=3)), machines_of_any_units(), st.integers(1, 5))
def test_times_of_many_nets_are_in_order(net: Net, machine: Machine, batch: int) -> None:
    check_times(planned(net, machine, batch))


def check_times(program: Program) -> None:
    """Lower bound <= cycles of the batch and of each output; the same cycles iteration by iteration."""
    timing = check_each_iteration(program)
    assert program.supersteps is not None
    bound = lower_bound(program.graph, program.machine, program.supersteps.batch, shared=True)
    assert bound.stream <= timing.total
    assert timing.outputs.keys() == bound.outputs.keys()
    for label, cycles in timing.outputs.items():
        assert bound.outputs[label] <= cycles <= timing.total, label


def check_each_iteration(program: Program) -> SuperstepTiming:
    """Times do not depend on how iterations are divided into classes: a class for each iteration gives the same."""
    timing = time_supersteps(program)
    with patch.object(supersteps, "iteration_classes", each_iteration):
        alone = time_supersteps(program)
    assert (timing.total, timing.outputs, timing.loops) == (alone.total, alone.outputs, alone.loops)
    for label, cycles in timing.kernels.items():
        assert cycles.idle == pytest.approx(alone.kernels[label].idle)
        assert replace(cycles, idle=0) == replace(alone.kernels[label], idle=0)
    return timing


def each_iteration(loop: Loop) -> list[IterationSet]:
    return [IterationSet.span(t, t) for t in loop.iterations]


@pytest.fixture(scope="module")
def program() -> Program:
    return planned(parse_net(BACK_EDGES), load_machine("edge-16"))


def codes(program: Program) -> set[str]:
    with pytest.raises(CompileError) as caught:
        verify(program)
    return {diagnostic.code for diagnostic in caught.value.diagnostics}


def test_activations_share_addresses(program: Program) -> None:
    """One behind the other, the values of all kernels would take more of a tile than they do."""
    values = [buffer for buffer in program.buffers if buffer.content in (INPUTS, OUTPUT)]
    on_tile = [(b, np.flatnonzero(program.placements[b.kernel].tiles[0] == 0)) for b in values]
    spans = [(int(b.address[at[0]]), int(b.bytes[at[0]])) for b, at in on_tile if len(at)]
    used = max(first + size for first, size in spans) - min(first for first, _ in spans)
    assert used < 0.75 * sum(size for _, size in spans)


def test_parameters_are_loaded_once(program: Program) -> None:
    """A weight of a loop has one resident buffer for each kernel that reads it, whatever the iterations."""
    longer = planned(parse_net(BACK_EDGES.replace("1..5", "1..500")), load_machine("edge-16"))
    assert longer.buffers and len(print_program(longer)) == len(print_program(program)) + 2
    assert [buffer.bytes.tolist() for buffer in longer.buffers] == [buffer.bytes.tolist() for buffer in program.buffers]


def test_no_two_live_buffers_can_share_an_address(program: Program) -> None:
    """Whichever two buffers that live at once are put at one address, the verifier says so; most are read wrong."""
    lifetimes, wrong, tried = Lifetimes(program), 0, 0
    weights, inputs = random_weights(program.net), random_inputs(program.net, 1)
    results = [i for i, buffer in enumerate(program.buffers) if buffer.content == OUTPUT]
    lives = {i: lifetimes.of(b.kernel, b.content, b.name) for i, b in enumerate(program.buffers)}
    for first in results:
        for second in results:
            if first < second and meet(lives[first], lives[second]):
                changed = moved(program, second, program.buffers[first])
                assert "E0546" in codes(changed)
                tried += 1
                try:
                    simulate(changed, inputs, weights)
                except TileReadError:
                    wrong += 1
    assert tried >= wrong >= 0.8 * tried > 4  # lifetimes are those of all iterations together


def moved(program: Program, index: int, onto: Buffer) -> Program:
    """The program with a buffer at the address of another one, wherever both are on a tile."""
    buffer, address = program.buffers[index], np.zeros(program.machine.tiles, np.int64)
    address[program.placements[onto.kernel].tiles[0]] = onto.address
    own = address[program.placements[buffer.kernel].tiles[0]]
    changed = replace(buffer, address=np.where(own > 0, own, buffer.address))
    return replace(program, buffers=tuple(changed if i == index else b for i, b in enumerate(program.buffers)))


def test_rules(program: Program) -> None:
    assert program.supersteps is not None
    assert "E0540" in codes(replace(program, supersteps=Supersteps(0, program.supersteps.kept)))
    assert "E0540" in codes(replace(program, supersteps=Supersteps(1, (("nobody", 0),))))
    assert "E0544" in codes(replace(program, supersteps=Supersteps(1, program.supersteps.kept[:-1])))
    assert "E0544" in codes(replace(program, steps=program.steps[1:]))
    tight = program.machine.model_copy(update={"tile": program.machine.tile.model_copy(update={"memory": 4096})})
    assert "E0545" in codes(replace(program, machine=tight))
    smaller = tuple(replace(b, bytes=b.bytes // 2) if b.content == OUTPUT else b for b in program.buffers)
    assert "E0545" in codes(replace(program, buffers=smaller))
