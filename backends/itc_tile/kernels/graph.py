"""The kernel graph of a fused net: kernel instances and the flow of values between them, built once per compilation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from itc.analysis.reach import reached
from itc.ir.net import Emit, Loop, Net, walk
from itc.ir.uses import definitions
from itc_tile.kernels.definitions import ReachingDefinitions
from itc_tile.kernels.instances import KernelInstance
from itc_tile.kernels.kernel import Kernel


@dataclass(frozen=True, slots=True)
class Reader:
    """An operand of a kernel instance."""

    instance: KernelInstance
    operand: int


@dataclass(frozen=True)
class Residency:
    """What the tiles of a kernel keep beyond one execution.

    `sets` of each parameter, `elements` of a series of results, and `inputs`, by formal names, that stay the same in
    all iterations of the innermost loop.
    """

    sets: tuple[int, ...] = ()
    elements: int = 1
    inputs: frozenset[str] = frozenset()


@dataclass(frozen=True, eq=False)
class KernelGraph:
    """Facts of a fused net that mappings, programs and timing share; each is computed once, when first asked for.

    Kernels have a replica for each set of their weights if they are `replicated`, else one that keeps all sets.
    """

    net: Net
    replicated: bool = True

    @cached_property
    def instances(self) -> dict[str, KernelInstance]:
        """Every kernel that some iteration executes, by label, in text order."""
        found = (run for run in reached(self.net.body) if isinstance(run.apply.op, Kernel))
        instances = (KernelInstance(self.net, run.apply, run.reach, self.replicated) for run in found)
        return {instance.label: instance for instance in instances}

    @cached_property
    def reaching(self) -> ReachingDefinitions:
        """Reaching definitions of every value."""
        return ReachingDefinitions(self.net)

    @cached_property
    def readers(self) -> dict[str, list[Reader]]:
        """For each value, by name, the operands that read its elements, in text order."""
        found: dict[str, list[Reader]] = {}
        for instance in self.instances.values():
            for operand, value in enumerate(instance.apply.values):
                if operand not in instance.kernel.shape_only:
                    found.setdefault(value.name, []).append(Reader(instance, operand))
        return found

    @cached_property
    def consumers(self) -> dict[str, tuple[str, ...]]:
        """For each kernel, by label, the kernels that read its result, once for each operand."""
        found: dict[str, list[str]] = {label: [] for label in self.instances}
        for value, group in self.readers.items():
            for reader in group:
                for producer in self.reaching.producers(value, reader.instance.reach):
                    if producer in found:
                        found[producer].append(reader.instance.label)
        return {label: tuple(consumers) for label, consumers in found.items()}

    @cached_property
    def loops(self) -> dict[str, Loop]:
        """Every loop by its variable, outer loops first."""
        return {statement.var: statement for statement in walk(self.net.body) if isinstance(statement, Loop)}

    @cached_property
    def inner_values(self) -> dict[str, set[str]]:
        """For each loop, by its variable, the names defined within it."""
        return {var: definitions((loop,)) - {value.name for value in loop.results} for var, loop in self.loops.items()}

    @cached_property
    def executions_of_fullest_replica(self) -> dict[str, int]:
        """For each kernel the executions for one image of the replica that executes most."""
        return {label: each.executions_of_fullest_replica for label, each in self.instances.items()}

    @cached_property
    def reuse_distance(self) -> dict[str, int]:
        """For each kernel the fewest iterations between two executions of one replica; see `KernelInstance`."""
        return {
            label: each.reuse_distance(self.loops[each.recurring_loops[-1]].count if each.recurring_loops else 1)
            for label, each in self.instances.items()
        }

    @cached_property
    def series_producers(self) -> dict[str, Emit]:
        """For each kernel whose results become elements of a series that a loop walks, by label, the enclosing emit."""
        walked = {each.series.name for loop in self.loops.values() for each in loop.each}
        label = {each.apply.result.name: each.label for each in self.instances.values()}
        return {
            label[value.name]: emit
            for loop in self.loops.values()
            for emit, results in loop.collected
            for value, result in zip(emit.body.yields, results, strict=True)
            if result.name in walked and value.name in label
        }

    @cached_property
    def residency(self) -> dict[str, Residency]:
        """For each kernel, by label, what its tiles keep beyond one execution."""
        return {label: self._residency(each) for label, each in self.instances.items()}

    def _residency(self, instance: KernelInstance) -> Residency:
        sets = tuple(instance.resident_sets(position) for position in range(len(instance.refs)))
        return Residency(sets, self._series_elements(instance), self._loop_invariant_inputs(instance))

    def _series_elements(self, instance: KernelInstance) -> int:
        """The most elements of a series that one replica keeps."""
        emit = self.series_producers.get(instance.label)
        if emit is None:
            return 1
        axis = instance.axes.get(emit.var)
        return int(np.bincount(axis.groups).max()) if axis else len(emit.iterations)

    def _loop_invariant_inputs(self, instance: KernelInstance) -> frozenset[str]:
        """Formal names of inputs defined outside the innermost loop."""
        if not instance.reach:
            return frozenset()
        varying = self.inner_values[tuple(instance.reach)[-1]]
        values = zip(instance.apply.values, instance.kernel.inputs, strict=True)
        return frozenset(formal.name for value, formal in values if value.name not in varying)
