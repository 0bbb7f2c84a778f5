"""The whole compiler on random nets and machines: what fits computes what the interpreter does."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from itc.installed import backend
from itc.ir import parse_net
from itc_tile import load_machine, report, simulate
from itc_tile.machine.model import Machine
from tests.random_nets import CLOSE, Case, cases, difference, random_inputs, random_weights
from tests.tile.hand_itnet import small_itnet
from tests.tile.machines import compiled, machines


@settings(max_examples=10, deadline=None)
@given(cases(), machines(), st.sampled_from(["throughput", "latency"]))
def test_what_fits_computes_what_the_interpreter_does(case: Case, machine: Machine, objective: str) -> None:
    program = compiled(case.net, machine, objective)
    found = simulate(program, case.inputs, case.weights)
    assert list(found) == list(case.outputs)
    assert max(difference(found[label], case.outputs[label]) for label in found) <= CLOSE


@settings(max_examples=10, deadline=None)
@given(cases(), machines())
def test_reports_add_up(case: Case, machine: Machine) -> None:
    program = compiled(case.net, machine)
    found = report(program)
    assert found.fit.fullest.bytes <= machine.tile.memory
    assert found.fit.bytes_used <= found.fit.bytes
    assert sum(kernel.tiles * kernel.copies for kernel in found.kernels) == found.fit.tiles_used <= machine.tiles
    assert sum(kernel.macs * kernel.runs for kernel in found.kernels) == found.macs
    assert [output.label for output in found.outputs] == list(case.net.labels)
    assert all(output.ratio >= 1 for output in found.outputs if output.bound_cycles) and found.stream.ratio >= 1
    assert all(0 <= kernel.busy <= 1 for kernel in found.kernels)


def test_indices_run_on_the_units_for_numbers() -> None:
    net = parse_net("""
net @indices(%image: f32[1, 4, 4]) {
  %0 = pool_indices(%image): i64[1, 2, 2]
  %1 = max_pool(%image): f32[1, 2, 2]
  %2 = max_unpool(%1, %0, %image): f32[1, 4, 4]
  return %2 {name = out}
}
""")
    assert all(kernel.busy > 0 for kernel in report(compiled(net, load_machine("edge-64"))).kernels)


def test_the_backend_is_found_by_its_name() -> None:
    found = backend("tile")
    machines, (stage,) = found.machines, found.stages
    assert machines
    machine = machines.load("gc200")
    assert machine.name in machines.names()
    net = small_itnet()
    program = machines.compile(net, machine, "throughput")
    assert machines.report(program).json()["machine"] == "gc200"
    outputs = machines.simulate(program, random_inputs(net, 1), random_weights(net))
    assert list(outputs) == list(net.labels)
    assert stage.text(net, machine="gc200").startswith("program @itnet on gc200 {")
    assert load_machine("gc200").json()["peak_macs_per_cycle"] == 1472 * 16
