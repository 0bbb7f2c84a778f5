"""Timing by brute force: every run, window and buffer of every image, one by one, to hold schedules against.

`stream_events` takes the times of a schedule and lists what happens; `earliest` runs one image with every exchange and
run as soon as it can be, which no schedule that works can beat.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Body, Emit, Loop, Statement, Value, When, children
from itc_tile.cost.memory import is_one_buffer
from itc_tile.kernels.instances import KernelInstance
from itc_tile.kernels.kernel import Kernel
from itc_tile.program.program import Program
from itc_tile.timing.exchange import Exchange
from itc_tile.timing.schedule import OUT, Buffer, Schedule

Iteration = dict[str, int]


@dataclass(eq=False)
class Run:
    """One run of a kernel's copy; `taken` and `free` are when its result takes its buffer and when it is sent."""

    label: str
    copy: int
    start: int
    end: int
    taken: int
    free: int


@dataclass(eq=False)
class Available:
    """A value that a run made (none: the host), from a time on; `uses` are the ends of runs that read it."""

    time: int
    run: Run | None
    uses: dict[tuple[str, int, int], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Window:
    """The exchange of one operand of a kernel's copy."""

    label: str
    copy: int
    operand: int
    producer: tuple[str, int] | None
    begin: int
    end: int


@dataclass
class Events:
    """What happens in a machine: runs, windows, and the intervals in which buffers are taken."""

    runs: list[Run] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    taken: dict[tuple[str, int, int], list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))


class Walk:
    """Follows the rolled net as the interpreter does, with what each name is in `env`."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.env: dict[str, Available | list[Available]] = {}
        self.iteration: Iteration = {}

    def one(self, name: str) -> Available:
        found = self.env[name]
        assert isinstance(found, Available)
        return found

    def image(self) -> None:
        for value in self.program.net.inputs:
            self.become(value, Available(self.time_of(value, ""), None), "")
        self.statements(self.program.net.body, "")

    def statements(self, statements: tuple[Statement, ...], var: str) -> None:
        for statement in statements:
            match statement:
                case Apply():
                    self.apply(statement, var)
                case When():
                    self.when(statement, var)
                case Loop():
                    self.loop(statement, var)
                case Emit():
                    pass

    def when(self, when: When, var: str) -> None:
        body = when.body if self.iteration[when.var] in when.iterations else when.otherwise
        self.statements(body.statements, var)
        for result, value in zip(when.results, body.yields, strict=True):
            self.become(result, self.renamed(value, result, var), var)

    def loop(self, loop: Loop, var: str) -> None:
        carried: list[Available | list[Available]] = [self.env[c.init.name] for c in loop.carries]
        series: dict[str, list[Available]] = {v.name: [] for _, values in loop.collected for v in values}
        for t in range(1, loop.count + 1):
            self.iteration[loop.var] = t
            for carry, available in zip(loop.carries, carried, strict=True):
                assert isinstance(available, Available)
                self.become(carry.inner, self.at(available, carry.inner, loop.var), loop.var)
            for each in loop.each:
                elements = self.env[each.series.name]
                assert isinstance(elements, list)
                self.become(each.inner, self.at(elements[t - 1], each.inner, loop.var), loop.var)
            self.statements(loop.body.statements, loop.var)
            carried = [self.env[value.name] for value in loop.body.yields]
            self.collect(loop, t, series)
        for result, available in zip(loop.carry_results, carried, strict=True):
            assert isinstance(available, Available)
            self.become(result, self.at(available, result, var), var)
        self.env |= series

    def collect(self, loop: Loop, t: int, series: dict[str, list[Available]]) -> None:
        for emit, results in loop.collected:
            if t in emit.iterations:
                for result, available in zip(results, self.emitted(emit.body, loop.var), strict=True):
                    series[result.name].append(available)

    def emitted(self, body: Body, var: str) -> list[Available]:
        self.statements(body.statements, var)
        return [self.one(value.name) for value in body.yields]

    def renamed(self, value: Value, result: Value, var: str) -> Available:
        return self.at(self.one(value.name), result, var)

    def at(self, available: Available, name: Value, var: str) -> Available:
        """The same value under another name, available when that is."""
        return Available(max(available.time, self.time_of(name, var)), available.run)

    def time_of(self, name: Value, var: str) -> int:
        raise NotImplementedError

    def become(self, name: Value, available: Available, var: str) -> None:  # noqa: ARG002  for those below
        self.env[name.name] = available

    def apply(self, apply: Apply, var: str) -> None:
        raise NotImplementedError

    def data(self, apply: Apply) -> Iterator[tuple[int, Value]]:
        for operand, value in enumerate(apply.values):
            if operand not in apply.op.shape_only:
                yield operand, value

    def copy(self, node: KernelInstance) -> int:
        return node.replica_at(self.iteration)


class StreamWalk(Walk):
    """One image of a stream, at the times of its schedule; events are added to `events`."""

    def __init__(self, program: Program, schedule: Schedule, image: int, events: Events) -> None:
        super().__init__(program)
        self.schedule, self.number, self.events = schedule, image, events
        self.every: list[Available] = []
        self.made: list[Run] = []

    def walk(self) -> None:
        self.image()
        for available in self.every:
            for place, end in available.uses.items():
                self.events.taken[place].append((available.time, end))
        for run in self.made:
            self.events.taken[run.label, run.copy, OUT].append((run.taken, run.free))

    def time_of(self, name: Value, var: str) -> int:
        ready = self.schedule.layout.frames[var].ready[name.name]
        return self.schedule.available(var, ready, self.iteration, self.number)

    def become(self, name: Value, available: Available, var: str) -> None:
        super().become(name, available, var)
        assert available.run is None or available.time >= available.run.end, name
        self.every.append(available)

    def apply(self, apply: Apply, var: str) -> None:
        assert isinstance(apply.op, Kernel)
        node = self.program.nodes[apply.op.label]
        layout = self.schedule.layout
        start = self.schedule.start(node.label, self.iteration, self.number)
        end = start + layout.compute[node.label]
        run = Run(node.label, self.copy(node), start, end, start, end)
        for operand, value in self.data(apply):
            available = self.one(value.name)
            begin, place = available.time, (node.label, run.copy, operand)
            if place not in available.uses:
                self.window(place, available, begin + layout.exchange.transfer_latencies.get(node.label, 0))
            assert start >= begin + layout.exchange.transfer_latencies.get(node.label, 0), (node.label, operand)
            available.uses[place] = max(available.uses.get(place, 0), end)
            if is_one_buffer(node.kernel, layout.residency[node.label].inputs):
                run.taken = begin
        self.events.runs.append(run)
        self.made.append(run)
        self.become(apply.result, Available(self.time_of(apply.result, var), run), var)

    def window(self, place: tuple[str, int, int], available: Available, end: int) -> None:
        run = available.run
        producer = (run.label, run.copy) if run else None
        self.events.windows.append(Window(*place, producer, available.time, end))
        if run:
            run.free = max(run.free, end)


def stream_events(program: Program, schedule: Schedule, images: int) -> Events:
    """All that happens while so many images pass."""
    events = Events()
    for image in range(images):
        StreamWalk(program, schedule, image, events).walk()
    return events


class EarliestWalk(Walk):
    """One image, each exchange and run as soon as data, tiles and buffers (one value each, or `slots`) allow it."""

    def __init__(self, exchange: Exchange, compute: Mapping[str, int], slots: Mapping[Buffer, int]) -> None:
        super().__init__(exchange.program)
        self.exchange, self.compute, self.slots = exchange, compute, slots
        self.residency = self.program.graph.residency
        self.around = loops_around(self.program.net.body, ())
        self.runs: dict[tuple[str, int], list[Run]] = defaultdict(list)
        self.read_until: dict[tuple[str, int, int], list[int]] = defaultdict(list)
        self.arrived: dict[tuple[str, int, int], tuple[Available, int]] = {}

    def time_of(self, name: Value, var: str) -> int:  # noqa: ARG002
        return 0  # as soon as it is made

    def become(self, name: Value, available: Available, var: str) -> None:
        """Pushes the value to whoever reads it in the iterations that stand."""
        super().become(name, available, var)
        for reader in self.program.readers.get(name.name, []):
            known = {v: self.iteration[v] for v in reader.instance.reach if v in self.around[var]}
            if all(t in reader.instance.reach[v] for v, t in known.items()):
                self.push(reader.instance, reader.operand, available, known)

    def push(self, node: KernelInstance, operand: int, available: Available, known: Iteration) -> None:
        reach = {v: IterationSet.of([known[v]]) if v in known else node.reach[v] for v in node.reach}
        run = available.run
        window = (
            self.exchange.transfer_latency(node.label, [run.label] if run else [])
            if self.exchange.transfer_latencies.get(node.label)
            else 0
        )
        for copy in node.replicas_in(reach):
            place = (node.label, copy, operand)
            ends = self.read_until[place]
            free = max(ends[: len(ends) + 1 - self.slots.get((node.label, operand), 1)], default=0)
            if is_one_buffer(node.kernel, self.residency[node.label].inputs):
                free = max(free, self.result_free(node.label, copy))
            end = max(available.time, free) + window
            self.arrived[place] = (available, end)
            ends.append(0)
            if run:
                run.free = max(run.free, end)

    def apply(self, apply: Apply, var: str) -> None:
        assert isinstance(apply.op, Kernel)
        node = self.program.nodes[apply.op.label]
        copy = self.copy(node)
        before = self.runs[node.label, copy]
        start = max([self.result_free(node.label, copy), *(run.end for run in before[-1:])])
        for operand, value in self.data(apply):
            available, arrival = self.arrived[node.label, copy, operand]
            assert available is self.one(value.name), (node.label, operand)
            start = max(start, arrival)
        end = start + self.compute[node.label]
        for operand, _ in self.data(apply):
            self.read_until[node.label, copy, operand][-1] = end
        run = Run(node.label, copy, start, end, start, end)
        before.append(run)
        self.become(apply.result, Available(end, run), var)

    def result_free(self, label: str, copy: int) -> int:
        """When the buffer of a result has a place for one more."""
        runs = self.runs[label, copy]
        return max((run.free for run in runs[: len(runs) + 1 - self.slots.get((label, OUT), 1)]), default=0)


def loops_around(statements: tuple[Statement, ...], around: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """For each loop, by variable, the loops around it and itself; for the image, none."""
    found = {around[-1] if around else "": around}
    for statement in statements:
        inside = (*around, statement.var) if isinstance(statement, Loop) else around
        for body in children(statement):
            found |= loops_around(body.statements, inside)
    return found


def earliest(
    exchange: Exchange, compute: Mapping[str, int], slots: Mapping[Buffer, int] | None = None
) -> dict[str, int]:
    """When each output can be there at the earliest, by label."""
    walk = EarliestWalk(exchange, compute, slots or {})
    walk.image()
    out: dict[str, int] = {}
    for output in walk.program.net.outputs:
        found = walk.env[output.value.name]
        each = found if isinstance(found, list) else [found]
        out |= zip(output.labels, (available.time for available in each), strict=True)
    return out
