"""The plan of a layer: the candidate of the least estimate whose temporaries fit, over all forms, vertices and splits.

As in poplibs, the bound on temporaries is a share of a tile's memory; where no candidate keeps it, it doubles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from itc.diagnostics import fail
from itc_tile.layers.candidates import Candidates, candidates
from itc_tile.layers.layer import Layer
from itc_tile.layers.transforms import Form, forms
from itc_tile.layers.vertex import Vertex, vertices
from itc_tile.machine.model import Machine

#: Parts into which output or input channels are cut where the whole does not fit.
SERIAL_PARTS = (2, 3, 4, 6, 8, 12, 16)
#: Estimates of temporaries are rough: a plan is refused from so many times the memory of a tile.
MOST_DOUBLED = 2


@dataclass(frozen=True)
class Choice:
    """One of many candidates."""

    candidates: Candidates
    index: int

    @property
    def estimate(self) -> int:
        return int(self.candidates.estimate[self.index])


@dataclass
class Search:
    """The best choice so far of those that hold at most `bound` bytes, and of all."""

    bound: float
    fitting: Choice | None = None
    best: Choice | None = None

    def weigh(self, form: Form, vertex: Vertex, serial: tuple[int, int], machine: Machine) -> None:
        """Weighs the candidates of one vertex."""
        limit = self.fitting.estimate if self.fitting else np.inf
        each = candidates(form, vertex, serial, machine, limit)
        if each is None:
            return
        self.best = _better(self.best, each, np.inf)
        self.fitting = _better(self.fitting, each, self.bound)


def _better(choice: Choice | None, each: Candidates, bound: float) -> Choice | None:
    estimates = np.where(each.held <= bound, each.estimate, np.inf)
    index = int(np.argmin(estimates))
    if estimates[index] < (choice.estimate if choice else np.inf):
        return Choice(each, index)
    return choice


def plan(layer: Layer, machine: Machine) -> Choice:
    """The plan of a layer. Raises CompileError: E0564 where not even serial parts fit a tile."""
    assert machine.supersteps is not None
    bound = machine.supersteps.temporary * machine.tile.memory
    while bound < MOST_DOUBLED * machine.tile.memory:
        search = Search(bound)
        _weigh_whole(search, layer, machine)
        if search.fitting is None or search.fitting is not search.best:
            _weigh_parts(search, layer, machine)
        if search.fitting:
            return search.fitting
        bound *= 2
    raise fail(
        "E0564",
        f"no plan of the {layer.role} fits: a tile of {machine.name} has {machine.tile.memory:,} bytes",
        help="take a machine with more memory in a tile, or more tiles",
    )


def _weigh_whole(search: Search, layer: Layer, machine: Machine) -> None:
    for form, vertex in _computations(layer, machine):
        search.weigh(form, vertex, (1, 1), machine)


def _weigh_parts(search: Search, layer: Layer, machine: Machine) -> None:
    """Weighs serial parts: more of them only while they are better."""
    for count in SERIAL_PARTS:
        before = search.fitting
        for form, vertex in _computations(layer, machine):
            if form.layer.outputs >= count * vertex.grains.outputs:
                search.weigh(form, vertex, (count, 1), machine)
            if form.layer.inputs % count == 0 and form.layer.inputs >= count * vertex.grains.inputs:
                search.weigh(form, vertex, (1, count), machine)
        if before is not None and search.fitting is before:
            return


def _computations(layer: Layer, machine: Machine) -> Iterator[tuple[Form, Vertex]]:
    """All forms of a layer on all vertices."""
    assert machine.supersteps is not None
    for form in forms(layer):
        for vertex in vertices(form.layer, machine.supersteps):
            yield form, vertex
