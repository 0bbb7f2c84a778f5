"""Temporal mapping of whole networks: memory of unrolled ones, loops whatever their length, batches, auto, errors."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

import itc
from itc.diagnostics import CompileError
from itc.driver import Network
from itc.interpreter import interpret
from itc_tile import print_program, report, simulate
from itc_tile.mapping.base import MappingName
from itc_tile.program.verify import verify
from tests.random_nets import random_inputs, random_weights
from tests.rounding import close, tolerances
from tests.zoo.reduced import first_networks, reduced

EXAMPLES = Path(__file__).parents[2] / "examples"
PRESETS = ("gc200", "edge-64")
CONV = """@loop(times)
iterative refine(carry x, times):
    x = x |> conv(64, 3) |> relu

network block(times=4):
    input image: f32[64, 56, 56]
    emit y = image |> refine(times=times)
"""
WIDE = """network wide:
    input image: f32[3, 64, 64]
    emit y = conv(image, 2048, 3) |> conv(2048, 3)
"""


def spec(folder: Path, text: str, **settings: object) -> Network:
    (folder / "spec.itn").write_text(text)
    return itc.load(folder / "spec.itn", **settings)


def check_values(net: Network, machine: str, batch: int = 1) -> None:
    program = net.compile(machine, mapping="temporal", batch=batch).program
    weights, inputs = random_weights(net.ir), random_inputs(net.ir, 1)
    found, expected = simulate(verify(program), inputs, weights), interpret(net.ir, inputs, weights)
    close(found, expected, tolerances(net.ir, inputs, weights, expected))


@pytest.mark.parametrize("machine", PRESETS)
def test_a_small_itnet_computes_what_the_interpreter_does(machine: str) -> None:
    settings = {"f": 9, "iterations": 4, "exits": (1, 4), "height": 24, "width": 32}
    check_values(itc.load(EXAMPLES / "itnet.itn", **settings), machine)


@pytest.mark.long
@pytest.mark.parametrize(
    ("stem", "machine"), [("recurrent_unet", "edge-16"), ("recurrent_unet", "edge-64"), ("mobilenet_v2", "edge-64")]
)
def test_zoo_networks_compute_what_the_interpreter_does(stem: str, machine: str) -> None:
    """Networks of few kernels: the values of hundreds on shared tiles take minutes."""
    path, name = next(each for each in first_networks() if each[0].stem == stem)
    check_values(reduced(path, name), machine)


@pytest.mark.parametrize("mapping", ["spatial", "temporal"])
def test_flat_in_iterations(mapping: MappingName, tmp_path: Path) -> None:
    """Size and cycles of an iteration do not depend on the iterations of a loop."""
    found = []
    for times in (2, 64):
        program = spec(tmp_path, CONV, times=times).compile("gc200", mapping=mapping).program
        (loop,) = report(program).stream.loops
        found.append((len(program.edges), len(program.buffers), len(print_program(program)), loop.iteration_cycles))
    assert found[1] == pytest.approx(found[0], rel=0.02)


@pytest.mark.long
def test_analysis_takes_no_longer_for_more_iterations(tmp_path: Path) -> None:
    def seconds(times: int) -> float:
        net = spec(tmp_path, CONV, times=times)
        start = process_time()
        report(net.compile("edge-16", mapping="temporal").program)
        return process_time() - start

    assert min(seconds(64) for _ in range(3)) < 1.5 * min(seconds(1) for _ in range(3)) + 0.05


@pytest.mark.long
def test_the_independent_itnet_fits_on_edge_128() -> None:
    """Refused under spatial mapping, where every node is resident; auto takes the mapping that fits."""
    net = itc.load(EXAMPLES / "itnet.itn", "itnet_independent")
    with pytest.raises(CompileError, match="E0510"):
        net.compile("edge-128")
    compiled = net.compile("edge-128", mapping="auto")
    assert compiled.report.mapping == "temporal"
    assert verify(compiled.program) and compiled.report.fit.fullest.bytes <= 256 << 10


def test_a_batch_takes_fewer_cycles_for_an_image(tmp_path: Path) -> None:
    net = spec(tmp_path, CONV.replace("56, 56", "8, 8"))
    one, four = (net.compile("edge-64", mapping="temporal", batch=batch) for batch in (1, 4))
    assert four.report.batch == 4
    assert four.report.stream.period_cycles < 0.9 * one.report.stream.period_cycles
    assert four.report.stream.bound_cycles <= four.report.stream.period_cycles
    groups = {placement.replicas for placement in four.program.placements.values()}
    assert len(groups) == 1 and 4 % groups.pop() == 0
    check_values(net, "edge-64", batch=4)


@pytest.mark.parametrize("objective", ["latency", "throughput"])
def test_auto_takes_the_better_mapping(objective: str, tmp_path: Path) -> None:
    net = spec(tmp_path, CONV.replace("56, 56", "16, 16"))
    reports = {
        mapping: net.compile("edge-16", objective, mapping).report for mapping in ("spatial", "temporal", "auto")
    }
    cycles = {
        name: found.stream.period_cycles if objective == "throughput" else max(o.cycles for o in found.outputs)
        for name, found in reports.items()
    }
    assert cycles["auto"] == min(cycles["spatial"], cycles["temporal"])


def test_what_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(CompileError) as caught:
        spec(tmp_path, WIDE).compile("edge-16", mapping="temporal")
    (error,) = caught.value.diagnostics
    assert error.code == "E0553" and error.primary is not None
    assert "parameters" in error.help and "take " in error.help


def test_a_batch_of_a_spatial_program(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="E0554"):
        spec(tmp_path, CONV).compile("edge-16", batch=2)
