"""The protocol of mappings: a kernel graph, a machine and an objective in, a program or the reason for none out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from itc.diagnostics import CompileError
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.program.program import Program

Objective = Literal["throughput", "first", "last", "latency"]


@dataclass(frozen=True)
class Infeasible:
    """A graph that a mapping cannot place on a machine; `error` has the diagnostics."""

    error: CompileError


class Mapping(Protocol):
    """A way to map kernels onto tiles and time."""

    @property
    def name(self) -> str:
        """The word for it on the command line and in reports."""

    def plan(self, graph: KernelGraph, machine: Machine, objective: Objective) -> Program | Infeasible:
        """A program with buffers and pipeline, for the throughput of a stream of images or the latency of one."""
