"""A distribution from outside: machines that do one multiply-accumulate a cycle, a graph as Graphviz, and a command."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

import itc
from itc.analysis.cost import cost
from itc.backend import Backend, Machines, Option, Stage, Target
from itc.diagnostics import fail
from itc.interpreter import interpret
from itc.ir.net import Net, applies
from itc.ir.op import Array
from itc.passes import Pass, Rewritten
from itc.tables import Column, Table, facts

CLOCKS = {"abacus": 2, "adder": 1000}  # cycles in a second


def text(net: Net, most: int = 3, sort: bool = False) -> str:
    """How often each operation stands in the net."""
    counts = Counter(apply.op.name for apply in applies(net.body)).items()
    return "".join(f"{name} {count}\n" for name, count in (sorted(counts) if sort else list(counts))[:most])


def dot(net: Net) -> str:
    """The operations of a net as nodes."""
    return f"digraph {net.name} {{\n" + "".join(f'  "{apply.op.name}"\n' for apply in applies(net.body)) + "}\n"


@dataclass(frozen=True)
class Rename(Pass):
    """A pass with an option."""

    name = "rename"
    summary = "another name for the net"
    times: int = 1

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(replace(net, name=net.name + "_renamed" * self.times))


@dataclass(frozen=True)
class Report:
    """Cycles of a net on a machine."""

    machine: str
    cycles: int

    def tables(self) -> list[Table]:
        return [facts("counted by hand", [("cycles", f"{self.cycles:,}")], legend="one MAC a cycle")]

    def json(self) -> dict[str, Any]:
        return {"machine": self.machine, "cycles": self.cycles}


class Counters(Machines):
    """Machines by name; there are no files of them."""

    default = "abacus"

    def names(self) -> list[str]:
        return list(CLOCKS)

    def text(self, name: str) -> str:
        return f"{name}: {CLOCKS[self.load(name)]} Hz\n"

    def json(self, name: str) -> dict[str, Any]:
        return {"name": name, "clock": CLOCKS[name]}

    def table(self, names: Iterable[str]) -> Table:
        rows = tuple((name, str(CLOCKS[name])) for name in names)
        return Table("counters", (Column("counter"), Column("Hz", right=True)), rows)

    def load(self, machine: Any) -> Any:
        if machine not in CLOCKS:
            raise fail("E0501", f"there is no counter {machine}")
        return machine

    def compile(self, net: Net, machine: Any, objective: str, mapping: str = "spatial", batch: int = 1) -> Any:
        return net, machine

    def report(self, program: Any) -> Report:
        return Report(program[1], cost(program[0]).macs)

    def simulate(self, program: Any, inputs: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, Array]:
        return interpret(program[0], inputs, weights)


def count(spec: Annotated[Path, typer.Argument()], network: str = "") -> None:
    """Count the operations of a network."""
    net = itc.load(spec, network or None)
    print(len(list(applies(net.ir.body))))


MOST = Option("most", 3, "How many are shown.")
SORT = Option("sort", False, "Sorted by name.")
backend = Backend(
    "theirs",
    stages=(Stage("theirs", "operations and their counts", text, (MOST, SORT)),),
    targets=(Target("theirs", "a graph for Graphviz", ".dot", dot),),
    passes={"rename": Rename},
    machines=Counters(),
)
