"""The lower bound on random nets and machines, and its figures where windows skip positions or memory is slow."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from itc.ir import Net
from itc_tile.bound import lower_bound
from itc_tile.machine import Machine
from itc_tile.timing import Timing, time_program
from tests.random_nets import Limits, nets
from tests.tile.machines import compiled, machines_of_any_units

UNSHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)
OBJECTIVES = st.sampled_from(["throughput", "latency"])
SKIPPING = Limits(stride=6)


@settings(max_examples=40, deadline=None, phases=UNSHRUNK)
@given(nets(SKIPPING), machines_of_any_units(), OBJECTIVES)
def test_times_are_in_order(net: Net, machine: Machine, objective: str) -> None:
    check_order(time_program(compiled(net, machine, objective)))


@pytest.mark.long
@settings(max_examples=1000, deadline=None, phases=UNSHRUNK)
@given(nets(SKIPPING), machines_of_any_units(), OBJECTIVES)
def test_times_of_many_nets_are_in_order(net: Net, machine: Machine, objective: str) -> None:
    check_order(time_program(compiled(net, machine, objective)))


def check_order(timing: Timing) -> None:
    """Bound <= period <= one image at a time, and bound <= latency alone <= latency in a stream."""
    bound = lower_bound(timing.program.net, timing.program.machine)
    assert bound.stream <= timing.period <= timing.schedule.stream.one_at_a_time
    in_stream = timing.schedule.outputs()
    assert timing.outputs.keys() == in_stream.keys() == bound.outputs.keys()
    for label, cycles in timing.outputs.items():
        assert bound.outputs[label] <= cycles <= in_stream[label], label
