"""Times: schedules hold against every single event, and bounds are never above them."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from itc.diagnostics import CompileError
from itc.ir import Net, parse_net
from itc_tile import compile_net
from itc_tile.cost.bound import lower_bound
from itc_tile.cost.memory import INPUTS, OUTPUT, total
from itc_tile.machine.model import load_machine
from itc_tile.machine.network import link_loads
from itc_tile.program.footprint import footprint
from itc_tile.program.program import Program
from itc_tile.timing.exchange import Exchange
from itc_tile.timing.schedule import OUT, Lifetimes, PipelineLayout
from itc_tile.timing.spacing import coprime
from itc_tile.timing.timing import Timing, compute_cycles, time_program
from tests.random_nets import Limits, nets
from tests.tile.events import Events, earliest, stream_events
from tests.tile.hand_itnet import small_itnet
from tests.tile.machines import compiled, machines

IMAGES = 4
UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking such nets takes minutes


@settings(max_examples=15, deadline=None, phases=UNSHRUNK)
@given(nets(), machines(), st.sampled_from(["throughput", "latency"]))
def test_schedules_hold(net: Net, machine: object, objective: str) -> None:
    check_timing(time_program(compiled(net, machine, objective)))  # type: ignore[arg-type]


@pytest.mark.long
@settings(max_examples=400, deadline=None, phases=UNSHRUNK)
@given(nets(Limits(statements=6, depth=3)), machines(), st.sampled_from(["throughput", "latency"]))
def test_schedules_of_larger_nets_hold(net: Net, machine: object, objective: str) -> None:
    check_timing(time_program(compiled(net, machine, objective)))  # type: ignore[arg-type]


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("name", ["edge-64", "gc200"])
def test_schedules_of_a_small_itnet_hold(name: str, shared: bool) -> None:
    check_timing(time_program(compiled(small_itnet(5, shared), load_machine(name))))


CARRY_FROM_TWO_LOOPS_OUT = """
net @carried(%image: f32[1, 8, 12]) {
  %2 = loop %t in 1..4 carry (%1 = %image) {
    %0 = tanh(%1): f32[1, 8, 12]
    yield %0
  }: f32[1, 8, 12]
  %8 = loop %u in 1..2 carry (%3 = %image) {
    %7 = loop %v in 1..3 carry (%4 = %2) {
      %5 = sigmoid(%4): f32[1, 8, 12]
      yield %5
    }: f32[1, 8, 12]
    yield %7
  }: f32[1, 8, 12]
  return %8 {name = out}
}
"""


def test_a_loop_waits_for_the_carries_of_loops_within() -> None:
    check_timing(time_program(compiled(parse_net(CARRY_FROM_TWO_LOOPS_OUT), load_machine("edge-64"))))


CARRY_THAT_WAITS = """
net @waiting(%image: f32[1, 8, 12]) {
  %9 = loop %u in 1..3 carry (%1 = %image) {
    %4 = loop %v in 1..2 carry (%2 = %1) {
      %3 = tanh(%2): f32[1, 8, 12]
      yield %3
    }: f32[1, 8, 12]
    %8 = loop %w in 1..9 carry (%5 = %4) {
      %6 = sigmoid(%5): f32[1, 8, 12]
      %7 = tanh(%6): f32[1, 8, 12]
      yield %7
    }: f32[1, 8, 12]
    yield %4
  }: f32[1, 8, 12]
  return %9 {name = out}
}
"""


def test_a_result_may_wait_while_its_loop_rests() -> None:
    check_timing(time_program(compiled(parse_net(CARRY_THAT_WAITS), load_machine("edge-64"))))


def test_a_plan_has_room_for_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """More beside `mix_1` than its tiles have free gives another plan; where nothing is enough, there is none."""
    net, machine = small_itnet(5, True), load_machine("edge-64")
    first = footprint(compile_net(net, machine, "latency"))["mix_1"]
    times = float(((machine.tile.memory - total(first)) / (first[INPUTS] + first[OUTPUT])).min()) + 1
    answers = iter([{"mix_1": times}])
    monkeypatch.setattr("itc_tile.mapping.spatial.plan.ROUNDS", 1)
    monkeypatch.setattr("itc_tile.mapping.spatial.plan.Costs.shortfall", property(lambda _: next(answers, {})))
    second = footprint(compile_net(net, machine, "latency"))["mix_1"]
    assert int((total(second) + times * (second[INPUTS] + second[OUTPUT])).max()) <= machine.tile.memory
    monkeypatch.setattr("itc_tile.mapping.spatial.plan.Costs.shortfall", property(lambda _: {"mix_1": times}))
    with pytest.raises(CompileError, match="and more for transfer tables and pipeline buffers"):
        compile_net(net, machine, "latency")


def check_timing(timing: Timing) -> None:
    images = min(40, IMAGES + -(-timing.schedule.layout.frames[""].makespan // timing.period))
    events = stream_events(timing.program, timing.schedule, images)
    check_runs(events)
    check_buffers(timing, events)
    check_memory(timing)
    check_one_at_a_time(timing)
    check_ports(timing, events)
    check_bounds(timing)


def check_runs(events: Events) -> None:
    """No copy of a kernel does two things at once."""
    by_copy = defaultdict(list)
    for run in events.runs:
        by_copy[run.label, run.copy].append((run.start, run.end))
    for intervals in by_copy.values():
        assert all(end <= start for (_, end), (start, _) in pairwise(sorted(intervals)))


def check_buffers(timing: Timing, events: Events) -> None:
    """No buffer holds more values at once than it has places for."""
    for (label, _, place), intervals in events.taken.items():
        places = timing.schedule.depths.get((label, place), 1)
        elements = timing.schedule.layout.residency[label].elements if place == OUT else 1
        assert most_at_once(intervals) <= places * elements, (label, place)


def most_at_once(intervals: list[tuple[int, int]]) -> int:
    changes = sorted(
        [(begin, 1) for begin, end in intervals if end > begin] + [(end, -1) for begin, end in intervals if end > begin]
    )
    return int(np.cumsum([change for _, change in changes]).max(initial=0))


def check_memory(timing: Timing) -> None:
    """Every tile has room for all that the schedule keeps on it."""
    for contents in timing.memory.values():
        assert (np.sum(list(contents.values()), axis=0) <= timing.program.machine.tile.memory).all()


def check_one_at_a_time(timing: Timing) -> None:
    """With a period as long as an image takes, every tile has room for what waits."""
    layout = PipelineLayout(timing.exchange, timing.compute)
    assert not Lifetimes(layout).memory_shortfall(layout.one_at_a_time, timing.free_memory)


def check_ports(timing: Timing, events: Events) -> None:
    """No port and no link carries more than it can, when every window's bytes go at a constant rate."""
    loads = window_loads(timing)
    times = sorted({w.begin for w in events.windows})
    bandwidth = timing.program.machine.exchange.bandwidth
    for time in times[:: max(1, len(times) // 40)]:
        rate: dict[object, float] = defaultdict(float)
        for window in events.windows:
            if window.begin <= time < window.end:
                for port, amount in loads(window).items():
                    rate[port] += amount / (window.end - window.begin)
        assert all(each <= bandwidth * (1 + 1e-9) for each in rate.values()), (time, rate)


def window_loads(timing: Timing):  # type: ignore[no-untyped-def]
    """For a window, the bytes that pass each port and link."""
    program, exchange = timing.program, timing.exchange
    known: dict[object, dict[object, int]] = {}

    def loads(window):  # type: ignore[no-untyped-def]
        key = (window.label, window.copy, window.operand, window.producer)
        if key not in known:
            producer = window.producer[0] if window.producer else None
            edges = [e for e in program.edges if (e.consumer, e.operand) == key[::2][:2] and e.producer == producer]
            known[key] = port_loads(program, exchange, edges, window)
        return known[key]

    return loads


def port_loads(program: Program, exchange: Exchange, edges: list, window) -> dict[object, int]:  # type: ignore[no-untyped-def,type-arg]
    found: dict[object, int] = defaultdict(int)
    for edge in edges:
        amounts = exchange.amounts[edge]
        targets = program.placements[edge.consumer].tiles[window.copy, edge.table.target]
        sources = program.placements[edge.producer].tiles[window.producer[1], edge.table.source]
        seen = set()
        for source, target, box, amount in zip(sources, targets, edge.table.boxes, amounts, strict=True):
            found["in", int(target)] += int(amount)
            sending = (int(source), box.tobytes())
            if not (program.machine.exchange.multicast and sending in seen):
                found["out", int(source)] += int(amount)
            seen.add(sending)
        if program.machine.exchange.network != "all-to-all":
            links = link_loads(program.machine, sources, targets, amounts)
            found |= {("link", *at): int(links[at]) for at in zip(*np.nonzero(links), strict=True)}
    return found


def check_bounds(timing: Timing) -> None:
    """The bound is never above our own times, nor a schedule for one image below what is possible."""
    bound = lower_bound(timing.program.graph, timing.program.machine)
    assert bound.stream <= timing.period
    soonest = earliest(timing.exchange, timing.compute, timing.schedule.depths)
    in_stream = timing.schedule.outputs()
    for label, cycles in timing.outputs.items():
        assert bound.outputs[label] <= cycles
        assert soonest[label] <= cycles <= in_stream[label]
    assert timing.period <= timing.schedule.layout.one_at_a_time
    assert max(timing.outputs.values()) <= timing.image <= timing.schedule.layout.one_at_a_time


@given(st.integers(1, 99), st.integers(1, 99))
def test_coprime(least: int, number: int) -> None:
    found = coprime(least, number)
    assert found >= least and np.gcd(found, number) == 1
    assert all(np.gcd(k, number) > 1 for k in range(least, found))


def test_times_of_an_itnet_do_not_depend_on_the_number_of_iterations() -> None:
    """An iteration takes the same whatever the loop counts, and the last output comes so many iterations later."""
    machine = load_machine("gc200")
    short, long = (compiled(small_itnet(n), machine) for n in (4, 64))
    assert len(short.nodes) == len(long.nodes)
    assert len(short.edges) == len(long.edges)
    assert compute_cycles(short).keys() == compute_cycles(long).keys()
