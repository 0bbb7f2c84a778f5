"""Cycles of a bulk-synchronous program: supersteps one after the other, each of synchronisation, exchange and compute.

Exchange steps in a row are one exchange: it takes as long as the largest load of a port or link, and nothing overlaps
it. Rows that stay on their tile are copied by its memory ports: the rearrangement. A kernel takes as long as its
fullest tile. The iterations of a loop are divided into classes that take the same branches and exits and read the same
producers; a class is walked once, so time depends on the size of the program, not on iterations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod

import numpy as np

from itc.analysis.reach import Reach
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Emit, Loop, Statement, When, walk
from itc_tile.cost.cycles import kernel_cycles
from itc_tile.cost.memory import value_bytes
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.footprint import FullestTile
from itc_tile.program.program import OperandTransfer, Program, sent_value
from itc_tile.program.steps import ExchangeStep
from itc_tile.program.supersteps.addresses import fullest_point
from itc_tile.tiling.sets import Ints
from itc_tile.timing.superstep_exchange import ExchangePhase, SuperstepExchange


@dataclass(frozen=True)
class KernelCycles:
    """Cycles of all executions of a kernel for one batch; `idle` is the mean over tiles of waiting for the fullest."""

    executions: int = 0
    sync: int = 0
    exchange: int = 0
    rearrange: int = 0
    compute: int = 0
    idle: float = 0.0

    @property
    def total(self) -> int:
        return self.sync + self.exchange + self.rearrange + self.compute

    def plus(self, other: KernelCycles, times: int = 1) -> KernelCycles:
        return KernelCycles(
            self.executions + times * other.executions,
            self.sync + times * other.sync,
            self.exchange + times * other.exchange,
            self.rearrange + times * other.rearrange,
            self.compute + times * other.compute,
            self.idle + times * other.idle,
        )


@dataclass(frozen=True, eq=False)
class SuperstepTiming:
    """Times of a bulk-synchronous program in cycles, of one batch.

    `outputs` are when the kernel that makes each is done, by label. `loops` has for each loop, by variable, cycles of
    all its iterations and their number. `kernels` is the breakdown, `compute` the cycles of each one's fullest tile.
    """

    program: Program
    total: int
    outputs: Mapping[str, int]
    loops: Mapping[str, tuple[int, int]]
    kernels: Mapping[str, KernelCycles]
    compute: Mapping[str, int]

    @property
    def period(self) -> int:
        """Cycles for an image of the batch, rounded up."""
        assert self.program.supersteps is not None
        return max(1, -(-self.total // self.program.supersteps.batch))

    @cached_property
    def fullest(self) -> FullestTile:
        return fullest_point(self.program)

    @property
    def breakdown(self) -> KernelCycles:
        """The sum over all kernels."""
        total = KernelCycles()
        for each in self.kernels.values():
            total = total.plus(each)
        return total


def time_supersteps(program: Program) -> SuperstepTiming:
    """The times of a bulk-synchronous program."""
    walking = _Walk(program)
    walking.statements(program.steps, {})
    assert walking.now == sum(each.total for each in walking.kernels.values())
    outputs = {label: walking.outputs[label] for label in program.net.labels}
    return SuperstepTiming(program, walking.now, outputs, walking.loops, walking.kernels, walking.compute)


def kernel_phases(program: Program) -> Iterator[tuple[str, Ints]]:
    """For each kernel, by label, the cycles of each shard's tile for the images of one execution."""
    ports = min(program.machine.tile.load, program.machine.tile.store)
    for label, node in program.nodes.items():
        cycles = kernel_cycles(node.kernel, program.regions[label], program.machine, program.images)
        if not node.kernel.body and program.residency[label].inputs:  # a copy from one buffer to another
            bytes = value_bytes(node.kernel.result, program.regions[label])
            cycles = -(-bytes * program.images // ports)
        yield label, np.asarray(cycles)


@dataclass(eq=False)
class _Exit:
    """An exit in a class of iterations of a loop, `offset` cycles from the begin of an iteration."""

    label_of: Mapping[int, str]
    iterations: IterationSet
    offset: int


@dataclass(eq=False)
class _Walk:
    """Walks the steps once for each class of iterations; `now` is the time in the frame of the innermost loop."""

    program: Program
    now: int = 0
    outputs: dict[str, int] = field(default_factory=dict)
    loops: dict[str, tuple[int, int]] = field(default_factory=dict)
    kernels: dict[str, KernelCycles] = field(default_factory=dict)
    exits: list[_Exit] = field(default_factory=list)

    def __post_init__(self) -> None:
        program = self.program
        self.exchange = SuperstepExchange(program)
        shards = dict(kernel_phases(program))
        self.compute = {label: int(cycles.max(initial=0)) for label, cycles in shards.items()}
        tiles = program.machine.tiles
        self.busy = {
            label: cycles.sum() * program.placements[label].replicas / tiles for label, cycles in shards.items()
        }
        self.kernels = {label: KernelCycles() for label in program.nodes}
        self.labels = {(o.name, sent_value(program.net, o).name): o for o in program.net.outputs}
        loops = program.graph.loops.values()
        self.emits = {value.name: emit for loop in loops for emit in loop.emits for value in emit.body.yields}

    def statements(self, statements: Iterable[Statement], reach: Reach) -> None:
        """Exchange steps in a row belong to the kernel behind them, or are an exchange of their own."""
        sending: list[Apply] = []
        for statement in statements:
            match statement:
                case Apply(op=ExchangeStep() as step):
                    self.leave(statement.values[0].name, step, reach)
                    sending.append(statement)
                    continue
                case Apply(op=Kernel() as kernel):
                    self.exchanged(sending, reach, kernel.label)
                    self.executed(kernel.label, reach)
                case _:
                    self.exchanged(sending, reach)
                    self.compound(statement, reach)
            sending = []
        self.exchanged(sending, reach)

    def compound(self, statement: Statement, reach: Reach) -> None:
        match statement:
            case Loop():
                self.loop(statement, reach)
            case Emit(var=var, iterations=iterations):
                self.branch(statement.body.statements, {**reach, var: reach[var].intersection(iterations)}, var)
            case When(var=var, iterations=iterations):
                taken, others = reach[var].intersection(iterations), reach[var].difference(iterations)
                self.branch(statement.body.statements, {**reach, var: taken}, var)
                self.branch(statement.otherwise.statements, {**reach, var: others}, var)

    def branch(self, statements: tuple[Statement, ...], reach: Reach, var: str) -> None:
        if reach[var].runs:
            self.statements(statements, reach)

    def exchanged(self, sending: list[Apply], reach: Reach, label: str = "") -> None:
        """Adds an exchange, to the cycles of kernel `label` or of its first reader."""
        edges = [edge for apply in sending for edge in self.edges(apply, reach)]
        if not edges:
            return
        phase = self.exchange.phase(edges)
        self.add(label or edges[0].consumer, _exchange_cycles(phase), reach)

    def edges(self, apply: Apply, reach: Reach) -> Iterator[OperandTransfer]:
        """The transfers of an exchange step in some iterations: of each reader that executes, from all producers."""
        assert isinstance(apply.op, ExchangeStep)
        name = apply.values[0].name
        for label, operand in apply.op.to:
            own = self.program.nodes[label].reach
            now = {var: own[var].intersection(reach[var]) if var in reach else own[var] for var in own}
            if all(iterations.runs for iterations in now.values()):
                for producer in self.program.graph.reaching.producers(name, now):
                    edge = self.program.edge.get((label, operand, producer))
                    if edge:
                        yield edge

    def executed(self, label: str, reach: Reach) -> None:
        compute = self.compute[label]
        self.add(label, KernelCycles(1, compute=compute, idle=compute - self.busy[label]), reach)

    def add(self, label: str, cycles: KernelCycles, reach: Reach) -> None:
        self.now += cycles.total
        self.kernels[label] = self.kernels[label].plus(cycles, prod(len(over) for over in reach.values()))

    def leave(self, name: str, step: ExchangeStep, reach: Reach) -> None:
        """Notes when outputs are available."""
        for output in step.outputs:
            found = self.labels[output, name]
            if found.at is None:
                self.outputs[found.name] = self.now
            else:
                emit = self.emits[name]
                of = {t: found.labels[emit.iterations.rank(t)] for t in reach[emit.var]}
                self.exits.append(_Exit(of, reach[emit.var], self.now))

    def loop(self, loop: Loop, reach: Reach) -> None:
        """Walks each class of iterations once, and lays them out one behind the other."""
        begin, around, self.exits = self.now, self.exits, []
        classes = iteration_classes(loop)
        cycles: list[int] = []
        for iterations in classes:
            self.now = 0
            self.statements(loop.body.statements, {**reach, loop.var: iterations})
            cycles.append(self.now)
        for each in self.exits:
            for t, label in each.label_of.items():
                before = sum(c * part.count_until(t - 1) for c, part in zip(cycles, classes, strict=True))
                self.outputs[label] = begin + before + each.offset
        total = sum(c * len(part) for c, part in zip(cycles, classes, strict=True))
        times = prod(len(over) for over in reach.values())
        known, count = self.loops.get(loop.var, (0, 0))
        self.loops[loop.var] = (known + times * total, count + times * loop.count)
        self.now, self.exits = begin + total, around


def _exchange_cycles(phase: ExchangePhase) -> KernelCycles:
    return KernelCycles(sync=phase.sync, exchange=phase.exchange, rearrange=phase.rearrange)


def iteration_classes(loop: Loop) -> list[IterationSet]:
    """Iterations that take the same branches and exits, behind one that did: the first is a class of its own."""
    parts = [part for part in (IterationSet.span(1, 1), IterationSet.span(2, loop.count)) if part.runs]
    conditions = [s.iterations for s in walk(loop.body.statements) if isinstance(s, When | Emit) and s.var == loop.var]
    chosen = [s.iterations for s in walk(loop.body.statements) if isinstance(s, When) and s.var == loop.var]
    for condition in dict.fromkeys([*conditions, *(each.image(1, 1) for each in chosen)]):
        halves = ((part.intersection(condition), part.difference(condition)) for part in parts)
        parts = [half for pair in halves for half in pair if half.runs]
    return parts
