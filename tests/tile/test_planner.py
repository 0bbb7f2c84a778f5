"""Plans: estimates of candidates, the minimum initiation interval that fits, and diagnostics where none does."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from itc.diagnostics import CompileError, render
from itc.ir import Net
from itc_tile.compiler import compile_net
from itc_tile.cost.candidates import receive_cycles, send_cycles
from itc_tile.cost.cycles import kernel_cycles
from itc_tile.cost.memory import EXCHANGE, kernel_memory, total
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine, load_machine
from itc_tile.mapping.spatial.infeasible import usable_memory
from itc_tile.mapping.spatial.kernels import KernelCandidates, kernel_candidates
from itc_tile.mapping.spatial.plan import Planning
from itc_tile.mapping.spatial.planner import choose
from itc_tile.program.footprint import footprint, fullest_tile, table_rows, total_bytes
from itc_tile.program.program import regions
from itc_tile.timing.exchange import Exchange
from itc_tile.timing.timing import compute_cycles, image_cycles, time_program
from tests.random_nets import nets
from tests.tile.hand_itnet import itnet, small_itnet
from tests.tile.machines import machines

EDGE16 = load_machine("edge-16")


@settings(max_examples=12, deadline=None)
@given(nets(), st.data())
def test_candidates_are_never_above_the_fullest_shard(net: Net, data: st.DataObject) -> None:
    """A candidate is judged by one of its shards; the plan is checked against all."""
    for kernel in kernel_candidates(KernelGraph(fuse(net)), EDGE16):
        index = data.draw(st.integers(0, len(kernel.candidates) - 1))
        held = regions(kernel.instance, kernel.candidates.split(index))
        body, each = kernel.instance.kernel, kernel.candidates
        assert each.split(index).shards == each.shards[index]
        for judged, exact in (
            (each.compute, kernel_cycles(body, held, EDGE16)),
            (each.memory, total(kernel_memory(body, held, kernel.residency, EDGE16))),
            (each.receive, receive_cycles(body, held, EDGE16)),
            (each.send, send_cycles(body, held, EDGE16)),
        ):
            assert judged[index] in exact
            assert 0.5 * exact.max() <= judged[index] + 1000


def chosen(kernels: list[KernelCandidates], machine: Machine, **options: Any) -> dict[str, int] | None:
    """For each kernel the candidate of a plan."""
    splits = choose(kernels, machine, usable_memory(machine), **options)
    if splits is None:
        return None
    return {
        kernel.label: next(
            i for i in range(len(kernel.candidates)) if kernel.candidates.split(i) == splits[kernel.label]
        )
        for kernel in kernels
    }


@settings(max_examples=10, deadline=None)
@given(nets(), machines())
def test_plans_have_the_minimum_initiation_interval(net: Net, machine: Machine) -> None:
    """A shorter interval needs more tiles than the machine has, even with the fewest for each kernel."""
    kernels = kernel_candidates(KernelGraph(fuse(net)), machine)
    plan = chosen(kernels, machine)
    memory = usable_memory(machine)
    if plan is None:
        assert least_tiles(kernels, memory, np.inf) > machine.tiles or any(
            too_full(kernel, memory, machine) for kernel in kernels
        )
        return
    assert sum(kernel.replicas * kernel.candidates.shards[plan[kernel.label]] for kernel in kernels) <= machine.tiles
    assert all(kernel.exact_memory(plan[kernel.label], machine, 0) <= memory for kernel in kernels)
    interval = max(kernel.initiation_interval[plan[kernel.label]] for kernel in kernels)
    if not any(too_full(kernel, memory, machine) for kernel in kernels):
        assert least_tiles(kernels, memory, interval - 1) > machine.tiles


def least_tiles(kernels: list[KernelCandidates], memory: int, interval: float) -> float:
    total = 0.0
    for kernel in kernels:
        fits = (kernel.candidates.memory <= memory) & (kernel.initiation_interval <= interval)
        total += kernel.replicas * kernel.candidates.shards[fits].min() if fits.any() else np.inf
    return total


def too_full(kernel: KernelCandidates, memory: int, machine: Machine) -> bool:
    """Whether some candidate looks as if it fitted, but a shard other than the one it is judged by does not."""
    fits = np.flatnonzero(kernel.candidates.memory <= memory)
    return any(kernel.exact_memory(int(index), machine, 0) > memory for index in fits)


def test_a_relaxed_interval_reduces_latency() -> None:
    kernels = kernel_candidates(KernelGraph(fuse(itnet())), load_machine("gc200"))
    fast, relaxed = (chosen(kernels, load_machine("gc200"), relaxation=relaxed) for relaxed in (1, 3))
    assert fast is not None and relaxed is not None
    assert sum(kernel.latency[relaxed[kernel.label]] for kernel in kernels) < sum(
        kernel.latency[fast[kernel.label]] for kernel in kernels
    )
    assert max(kernel.initiation_interval[relaxed[kernel.label]] for kernel in kernels) <= 3 * max(
        kernel.initiation_interval[fast[kernel.label]] for kernel in kernels
    )


def test_buffering_factors_leave_memory_free() -> None:
    machine = load_machine("gc200")
    kernels = kernel_candidates(KernelGraph(fuse(itnet())), machine)
    plan = chosen(kernels, machine, buffering={"project_1": 3.0, "data_4": 0.5})
    assert plan is not None
    for label, factor in (("project_1", 3.0), ("data_4", 0.5)):
        each = next(kernel for kernel in kernels if kernel.label == label)
        index = plan[label]
        assert each.candidates.memory[index] + factor * each.candidates.buffered[index] <= machine.tile.memory


def test_plans_buffer_more_images_where_memory_limits_the_period() -> None:
    """The network with weights of its own in every iteration holds many images at once."""
    machine = load_machine("gc200")
    graph = KernelGraph(fuse(itnet(29, shared=False)))
    kernels = kernel_candidates(graph, machine)
    first = Planning(graph, machine, kernels).feasible(partial(choose, kernels, machine))
    assert first is not None
    assert time_program(compile_net(itnet(29, shared=False), machine)).period < 0.7 * time_program(first.program).period


def test_executions_per_replica() -> None:
    """Kernels in the loop execute once for each iteration, replicas with weights of their own once."""
    shared, independent = (
        {s.label: s for s in kernel_candidates(KernelGraph(fuse(small_itnet(4, kind))), EDGE16)}
        for kind in (True, False)
    )
    assert (
        shared["stem_1"].executions_per_replica == 1
        and shared["expand_1"].executions_per_replica == shared["mix_1"].executions_per_replica == 4
    )
    assert shared["head_1"].executions_per_replica == 1 and shared["head_1"].replicas == 2
    assert independent["expand_1"].executions_per_replica == 1 and independent["expand_1"].replicas == 4
    assert independent["mix_1"].replicas == 3
    assert shared["expand_1"].instance.recurring_loops == ("t",)
    assert shared["project_1"].sending >= 4


def test_objectives() -> None:
    machine = load_machine("gc200")
    stream, image = (compile_net(itnet(), machine, objective) for objective in ("throughput", "latency"))
    assert time_program(stream).period < time_program(image).period
    assert image_cycles(image) < image_cycles(stream)


def test_the_itnets_of_the_paper_on_edge_128() -> None:
    """The shared network fits, the independent one of equal accuracy does not."""
    machine = load_machine("edge-128")
    program = compile_net(itnet(), machine)
    memory = footprint(program)
    assert max(int(total(contents).max()) for contents in memory.values()) <= machine.tile.memory
    with pytest.raises(CompileError, match=r"E0510.*itnet does not fit on edge-128") as caught:
        compile_net(itnet(29, shared=False), machine)
    text = render(caught.value.diagnostics)
    assert "tiles of 256 KiB, the machine has 128.0 MiB in 512" in text
    assert "the fullest of `mix_1` would hold" in text and "inputs" in text
    assert "share the weights of" in text and "or take" in text


def test_what_is_proposed_fits() -> None:
    """On the larger machine that the help names, the independent network fits."""
    for name, f, other in (("edge-16", 9, "edge-32"), ("edge-64", 51, "edge-128")):
        with pytest.raises(CompileError, match=f"take {other} ") as caught:
            compile_net(itnet(f), load_machine(name))
        assert [d.code for d in caught.value.diagnostics] == ["E0510"]
        compile_net(itnet(f), load_machine(other))


def test_more_kernels_than_tiles() -> None:
    machine = EDGE16.model_copy(update={"tiles": 8, "grid": (2, 4)})
    with pytest.raises(CompileError, match=r"E0511.*has 31 kernels, edge-16 only 8 tiles"):
        compile_net(small_itnet(), machine)


def test_what_no_tile_can_hold() -> None:
    machine = EDGE16.model_copy(update={"tile": EDGE16.tile.model_copy(update={"memory": 4096})})
    with pytest.raises(CompileError, match=r"E0510.*in parts larger than a tile of 4 KiB"):
        compile_net(small_itnet(), machine)


def test_footprint_counts_every_table() -> None:
    program = compile_net(small_itnet(), load_machine("edge-64"))
    memory, rows = footprint(program), table_rows(program)
    tables = [edge.table for edge in program.edges] + [exit.table for exit in program.exits]
    ends = sum(len(copies) for copies in tables)
    ends += sum(len(edge.table) for edge in program.edges if edge.producer in program.placements)
    assert sum(int(each.sum()) for each in rows.values()) == ends
    assert all((memory[label][EXCHANGE] == rows[label] * 16).all() for label in rows)
    fullest = fullest_tile(program, memory)
    assert fullest.bytes == sum(fullest.contents.values()) == max(int(total(m).max()) for m in memory.values())
    assert total_bytes(program, memory) == sum(
        int(total(m).sum()) * program.placements[k].replicas for k, m in memory.items()
    )


def test_windows_cover_what_ports_carry() -> None:
    """All that a tile takes in, and what its producers send to it alone, at the rate of a port."""
    program = compile_net(small_itnet(), load_machine("gc200"))
    exchange = Exchange(program)
    fixed = program.machine.exchange.sync + program.machine.exchange.latency
    for label, window in exchange.transfer_latencies.items():
        assert window >= fixed + exchange.received[label].max() / 4
        for readers in exchange.sent.values():
            if label in readers:
                assert window >= fixed + readers[label].max() / 4


def test_compile_and_times_do_not_grow_with_iterations() -> None:
    short, long = (compile_net(itnet(iterations=n, exits=(1, n)), load_machine("gc200")) for n in (4, 64))
    assert list(short.nodes) == list(long.nodes)
    assert len(compute_cycles(short)) == len(compute_cycles(long))
    assert time_program(long).period > 8 * time_program(short).period
