"""The protocol of mappings: a kernel graph, a machine and an objective in, a program or the reason for none out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from itc.diagnostics import CompileError, fail
from itc_tile.kernels.graph import KernelGraph
from itc_tile.machine.model import Machine
from itc_tile.program.program import Program

Objective = Literal["throughput", "first", "last", "latency"]
MappingName = Literal["spatial", "temporal", "auto"]
MOST_IMAGES = 4096  # of a batch


def check_batch(mapping: MappingName, batch: int) -> None:
    """Raises CompileError (E0554) for a batch that the mapping cannot take."""
    if not 1 <= batch <= MOST_IMAGES:
        raise fail("E0554", f"a batch has 1 to {MOST_IMAGES:,} images, not {batch}")
    if mapping == "spatial" and batch > 1:
        help = "take `temporal` mapping, or no batch: a spatial program streams any number of images"
        raise fail("E0554", "spatial mapping takes one image after the other, and has no batch", help=help)


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
