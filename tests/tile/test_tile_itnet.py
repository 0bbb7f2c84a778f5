"""The paper's network, from its spec to programs, times and reports on real and invented machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from itc.diagnostics import CompileError, render
from itc.ir import Net, print_net
from itc_dsl import load_net, read_source
from itc_tile import Report, compile_net, load_machine, lower_bound, print_program, report, time_program
from itc_tile.program.program import Program
from tests.conftest import Golden

HERE = Path(__file__).parent
SPEC = HERE.parents[1] / "examples" / "itnet.itn"


def net(network: str | None = None, **settings: Any) -> Net:
    source = read_source(SPEC)
    return load_net(source, network, settings)


@pytest.fixture(scope="module")
def gc200() -> Program:
    return compile_net(net(), load_machine("gc200"))


def test_the_independent_network_does_not_fit_on_edge_128(golden: Golden) -> None:
    with pytest.raises(CompileError) as caught:
        compile_net(net("itnet_independent"), load_machine("edge-128"))
    text = render(caught.value.diagnostics).replace(str(SPEC), "itnet.itn")
    golden(HERE / "errors" / "itnet_independent_on_edge-128.err", text)


def test_the_shared_network_fits_on_edge_128() -> None:
    fit = report(compile_net(net(), load_machine("edge-128"))).fit
    assert fit.tiles_used <= fit.tiles == 512
    assert fit.bytes_used <= fit.bytes == 128 << 20
    assert fit.fullest.bytes == sum(fit.fullest.contents.values()) <= fit.tile_bytes


def test_report(gc200: Program, golden: Golden) -> None:
    """Every figure of the report but those of single kernels; cycles and bytes are deterministic."""
    found = report(gc200)
    values = found.json()
    assert values == json.loads(json.dumps(values))
    kernels = values.pop("kernels")
    for output in values["outputs"]:
        path = output["path"]
        on_path = path.pop("kernels")
        assert sum(path.values()) == output["cycles"]
        assert sum(k["compute_cycles"] for k in on_path) == path["compute_cycles"]
        assert sum(k["exchange_cycles"] for k in on_path) == path["exchange_cycles"] + path["sync_cycles"]
    assert sum(k["tiles"] * k["copies"] for k in kernels) == values["fit"]["tiles_used"]
    assert sum(k["macs"] * k["runs"] for k in kernels) == values["macs"] == 6_210_304_200
    assert [o["label"] for o in values["outputs"]] == list(net().labels)
    golden(HERE / "golden" / "itnet-gc200.json", json.dumps(values, indent=2))


def test_times_are_plausible_on_gc200(gc200: Program) -> None:
    """No more than the tiles can multiply, and at least half of what their units allow for this work."""
    found: Report = report(gc200)
    multiplying = -(-found.macs // (1472 * 16))
    assert found.bound.compute_cycles == multiplying == 263_685
    assert multiplying < found.bound.work_cycles <= found.stream.period_cycles < 2 * found.bound.work_cycles
    assert all(kernel.busy <= 1 and kernel.utilisation <= 1 for kernel in found.kernels)


def test_program_and_times_do_not_grow_with_iterations() -> None:
    exits = [1, 4]
    machine = load_machine("gc200")
    short, long = (compile_net(net(iterations=n, exits=exits), machine) for n in (4, 64))
    assert len(print_net(short.net).splitlines()) == len(print_net(long.net).splitlines())
    assert len(short.edges) == len(long.edges)
    texts = [len(print_program(program).splitlines()) for program in (short, long)]
    assert abs(texts[0] - texts[1]) <= 0.05 * texts[0], "only how many places each exchange goes between may differ"
    assert list(time_program(short).outputs) == list(time_program(long).outputs)
    assert list(lower_bound(short.graph, machine).outputs) == list(lower_bound(long.graph, machine).outputs)


def test_objectives_on_gc200(gc200: Program) -> None:
    """Each objective has the best figure of its own; the bounds say how much better any plan can be."""
    machine = load_machine("gc200")
    first, last = (report(compile_net(net(), machine, objective)) for objective in ("first", "last"))
    stream = report(gc200)
    assert first.outputs[0].cycles <= 1_200_000 < min(last.outputs[0].cycles, stream.outputs[0].cycles)
    assert last.outputs[-1].cycles <= 6_600_000 < min(first.outputs[-1].cycles, stream.outputs[-1].cycles)
    assert last.outputs[-1].bound_cycles > 5_500_000, "the bound forbids what one would wish for"
    assert stream.stream.period_cycles <= 890_000 < min(r.stream.period_cycles for r in (first, last))
    assert stream.stream.ratio <= 1.07 and last.outputs[-1].ratio <= 1.1 and first.outputs[0].ratio <= 1.15
    assert compile_net(net(), machine, "latency") == compile_net(net(), machine, "last")
