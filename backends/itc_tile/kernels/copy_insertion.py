"""Copy insertion: a net in, an equal net out in which every value that leaves a body has a buffer of its own.

Then the values that a loop's body, a branch or an emit yields, and the outputs of the net, are defined there, and are
not overwritten before their last reader has them: every transfer can happen as soon as its source is available.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from itc.analysis.reach import Reach
from itc.diagnostics import CompileError, Diagnostic, Label
from itc.ir.iterations import IterationSet
from itc.ir.net import Apply, Body, Carry, Emit, Loop, Net, Output, Statement, Value, When, walk
from itc.ir.types import SeriesType
from itc.ir.uses import definitions, results
from itc_tile.kernels.kernel import Kernel, copy_kernel
from itc_tile.ops.record import GROUP, has_tile_op


def insert_copies(net: Net) -> Net:
    """`net` with copy kernels where a body yields a value that it does not define.

    Raises CompileError: E0512 for a series that is carried or chosen by a condition, E0514 for a loop that halts, E0523
    for operations without a record.
    """
    faults = dict.fromkeys(fault for statement in walk(net.body) for fault in _faults(statement))
    if faults:
        raise CompileError(tuple(faults))  # one where a call in a `for` makes many loops
    return _CopyInsertion(net).net(net)


def _faults(statement: Statement) -> Iterator[Diagnostic]:
    """Unsupported statements: series that leave their loop, loops that halt, operations without a record."""
    label = Label(statement.span) if not isinstance(statement, Emit) and statement.span else None
    if any(isinstance(value.type, SeriesType) for value in _single(statement)):
        yield Diagnostic("E0512", "the tile machine cannot hand a series round a loop or out of a branch", label)
    if isinstance(statement, Loop) and statement.halt is not None:
        help = "run all iterations: `@loop(n)` for `@loop(max=n)`, without `@halt` and `halt`; torch runs it as it is"
        yield Diagnostic("E0514", "the tile machine cannot end a loop early", label, help=help)
    if isinstance(statement, Apply) and not isinstance(statement.op, Kernel) and not has_tile_op(statement.op):
        name = type(statement.op).__name__
        help = f"register a `TileOp` for `{name}`, in a module under the entry points `{GROUP}`; or replace it"
        yield Diagnostic("E0523", f"the tile backend has no record of `{statement.op.name}`", label, help=help)


def _single(statement: Statement) -> tuple[Value, ...]:
    """Values of a statement that must be tensors."""
    match statement:
        case Loop():
            return tuple(carry.inner for carry in statement.carries)
        case When():
            return statement.results
        case _:
            return ()


@dataclass
class _Frame:
    """An enclosing loop: the position of the current statement, and of the definition of each carry's next value."""

    body: Body
    next_values: dict[str, int]
    at: int = 0


class _CopyInsertion:
    """Copy insertion in a net, with the loops around the current statement."""

    def __init__(self, net: Net) -> None:
        self.names = {value.name for value in net.inputs} | definitions(net.body)
        self.frames: list[_Frame] = []

    def net(self, net: Net) -> Net:
        statements = self.statements(net.body, {})
        outputs: list[Output] = []
        copies: list[Statement] = []
        for output in net.outputs:
            value = output.value
            if value in net.inputs:
                value = self.copy(value, copies)
            outputs.append(replace(output, value=value))
        return replace(net, body=(*statements, *copies), outputs=tuple(outputs))

    def copy(self, value: Value, onto: list[Statement]) -> Value:
        """A new value that is `value`, by a kernel added to `onto`."""
        name = f"{value.name}_copy"
        while name in self.names:
            name += "_"
        self.names.add(name)
        result = Value(name, value.type)
        onto.append(Apply(copy_kernel(value.tensor), (value,), (result,)))
        return result

    def statements(self, statements: tuple[Statement, ...], reach: Reach, own: bool = False) -> tuple[Statement, ...]:
        """The statements with copies inside; `own` says that they are those of the innermost loop's body itself."""
        out: list[Statement] = []
        for position, statement in enumerate(statements):
            if own:
                self.frames[-1].at = position
            match statement:
                case Apply():
                    out.append(statement)
                case Loop():
                    out.append(self.loop(statement, reach, own, out))
                case When():
                    out.append(self.when(statement, reach))
                case Emit(var=var, iterations=iterations):
                    inside = {**reach, var: reach[var].intersection(iterations)}
                    out.append(replace(statement, body=self.body(statement.body, inside, direct=True)))
        return tuple(out)

    def body(self, body: Body, reach: Reach, own: bool = False, direct: bool = False) -> Body:
        """A body that defines all its yields; with `direct` by its own operations, not inside a loop or a branch."""
        if not all(iterations.runs for iterations in reach.values()):
            return body
        defined = {v.name for s in body.statements if isinstance(s, Apply) or not direct for v in results(s)}
        statements = list(self.statements(body.statements, reach, own))
        copied: dict[str, Value] = {}
        for value in body.yields:
            if value.name not in defined and value.name not in copied:
                copied[value.name] = self.copy(value, statements)
        return Body(tuple(statements), tuple(copied.get(value.name, value) for value in body.yields))

    def when(self, when: When, reach: Reach) -> When:
        reached = reach[when.var]
        parts = (reached.intersection(when.iterations), reached.difference(when.iterations))
        body, otherwise = (
            self.body(branch, {**reach, when.var: part})
            for branch, part in zip((when.body, when.otherwise), parts, strict=True)
        )
        return replace(when, body=body, otherwise=otherwise)

    def loop(self, loop: Loop, reach: Reach, own: bool, before: list[Statement]) -> Loop:
        carries = tuple(
            carry if self.intact(carry.init, own) else Carry(carry.inner, self.copy(carry.init, before))
            for carry in loop.carries
        )
        self.frames.append(_Frame(loop.body, _next_values(loop)))
        body = self.body(loop.body, {**reach, loop.var: IterationSet.span(1, loop.count)}, own=True)
        self.frames.pop()
        return replace(loop, carries=carries, body=body)

    def intact(self, init: Value, own: bool) -> bool:
        """Whether the buffer of `init` still holds it when a loop starts here.

        A carry of a loop around is overwritten when the definition of its next value is executed.
        """
        for frame in self.frames:
            position = frame.next_values.get(init.name)
            if position is not None:
                itself = own and frame is self.frames[-1]
                return position > frame.at or (position == frame.at and itself)
        return True


def _next_values(loop: Loop) -> dict[str, int]:
    """By each carry's inner name, the position of the statement that defines its next value; the end for copies."""
    position = {v.name: i for i, statement in enumerate(loop.body.statements) for v in results(statement)}
    end = len(loop.body.statements)
    return {
        carry.inner.name: position.get(value.name, end)
        for carry, value in zip(loop.carries, loop.body.yields, strict=True)
    }
