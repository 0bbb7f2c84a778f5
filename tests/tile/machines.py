"""Random machines, small and slow in all ways, as hypothesis strategies."""

from __future__ import annotations

from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from itc.diagnostics import CompileError
from itc.ir import Net
from itc_tile.compiler import compile_net
from itc_tile.machine.model import Machine, load_machine
from itc_tile.program.program import Program


@st.composite
def machines(draw: Any) -> Machine:
    """Machines of up to some hundred tiles, with and without a grid, of little memory."""
    network = draw(st.sampled_from(["all-to-all", "mesh", "torus"]))
    rows, columns = draw(st.integers(2, 16)), draw(st.integers(3, 16))
    base = load_machine("edge-16")
    exchange = base.exchange.model_copy(
        update={
            "network": network,
            "bandwidth": draw(st.sampled_from([4, 1, 32])),
            "latency": draw(st.sampled_from([10, 0, 300])),
            "sync": draw(st.sampled_from([0, 150])),
            "multicast": draw(st.booleans()),
        }
    )
    code = base.code.model_copy(update={"base": 512, "operation": 64})
    memory = draw(st.sampled_from([1 << 18, 1 << 16, 1 << 13]))
    return base.model_copy(
        update={
            "name": "random",
            "tiles": rows * columns,
            "grid": (rows, columns),
            "exchange": exchange,
            "code": code,
            "tile": base.tile.model_copy(update={"memory": memory}),
        }
    )


@st.composite
def machines_of_any_units(draw: Any) -> Machine:
    """The same, where units, ports of memory and fixed costs may be of any speed, and none the slowest."""
    machine = draw(machines())
    tile = {"load": draw(st.sampled_from([16, 1, 64])), "store": draw(st.sampled_from([8, 1, 64]))}
    vector = {
        "call": draw(st.sampled_from([0, 360])),
        "access": draw(st.sampled_from([0.0, 2.0])),
        "multiply_add": draw(st.sampled_from([1.5, 0.25, 8.0])),
        "special": draw(st.sampled_from([5.0, 0.0])),
        "window": draw(st.sampled_from([3.0, 0.0])),
        "row": draw(st.sampled_from([0, 30])),
    }
    matrix = {
        "rate": draw(st.sampled_from([16, 1, 1024])),
        "setup": draw(st.sampled_from([0, 220])),
        "call": draw(st.sampled_from([0, 270])),
    }
    units = machine.compute["f32"]
    assert units.matrix is not None
    with_matrix = draw(st.booleans())
    changed = units.model_copy(
        update={
            "vector": units.vector.model_copy(update=vector),
            "matrix": units.matrix.model_copy(update=matrix) if with_matrix else None,
        }
    )
    return machine.model_copy(
        update={"tile": machine.tile.model_copy(update=tile), "compute": {**machine.compute, "f32": changed}}
    )


def compiled(net: Net, machine: Machine, objective: Any = "throughput") -> Program:
    """The program of a net; drops the example where the net does not fit."""
    try:
        return compile_net(net, machine, objective)
    except CompileError as error:
        assert {d.code for d in error.diagnostics} <= {"E0510", "E0511", "E0512"}, error
        assume(False)
        raise


def planned(net: Net, machine: Machine, batch: int = 1) -> Program:
    """The program of a net under temporal mapping; drops the example where the net does not fit."""
    try:
        return compile_net(net, machine, mapping="temporal", batch=batch)
    except CompileError as error:
        assert {d.code for d in error.diagnostics} <= {"E0512", "E0553"}, error
        assume(False)
        raise
