"""Fusion: a net in, an equal net out in which every executed operation is a kernel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from itc.analysis.reach import Reach
from itc.ir.net import Apply, Body, Emit, Loop, Net, ParamRef, Statement, Value, When, walk
from itc.ir.uses import data_operands, reads
from itc.passes import Pass, Rewritten
from itc_tile.kernels.copy_insertion import insert_copies
from itc_tile.kernels.groups import Groups
from itc_tile.kernels.kernel import Kernel
from itc_tile.ops.record import is_copy_like, is_fusable


@dataclass(frozen=True)
class Fuse(Pass):
    """`fuse` as a pass; it belongs to the tile backend, which defines kernels."""

    name: ClassVar[str] = "fuse"
    summary: ClassVar[str] = "operations grouped into the kernels of a tile machine"

    def rewrite(self, net: Net) -> Rewritten:
        return Rewritten(fuse(net))


def fuse(net: Net) -> Net:
    """`net` with its operations grouped into kernels; loops, branches and emits stay as they are.

    An operation that is neither pointwise nor a copy anchors a kernel. Pointwise operations behind it join while the
    values between have no other reader, and so does the resize at the end of a network output's head. Concatenations,
    nearest resizes, fills and pointwise operations in front join the kernels that read them: copies all of them,
    arithmetic only a single one. Other operations are kernels of their own. Nothing crosses a loop, a branch or an
    emit. Bodies that no iteration reaches stay unchanged: nothing of them is placed.

    Raises CompileError: E0512 for a series that is carried or chosen by a condition, E0514 for a loop that halts, E0523
    for operations without a record.
    """
    net = insert_copies(net)
    return net.with_body(_Fusion(net).statements(net.body, {}))


class _Fusion:
    """Fusion of a net, with the readers of each value and the labels in use."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.readers = _readers(net)
        self.streamed = _streamed(net, self.readers)
        self.labels = Counter(value.name for value in net.inputs)

    def statements(self, statements: tuple[Statement, ...], reach: Reach) -> tuple[Statement, ...]:
        if not all(iterations.runs for iterations in reach.values()):
            return statements
        groups = Groups([s for s in statements if isinstance(s, Apply)], self.readers, self.streamed)
        return tuple(new for statement in statements for new in self.statement(statement, groups, reach))

    def statement(self, statement: Statement, groups: Groups, reach: Reach) -> Iterator[Statement]:
        match statement:
            case Apply():
                members = groups.ending(statement)
                if members:
                    yield self.kernel(members)
            case Loop(var=var):
                yield replace(statement, body=self.body(statement.body, {**reach, var: statement.iterations}))
            case When(var=var, iterations=iterations):
                body = self.body(statement.body, {**reach, var: reach[var].intersection(iterations)})
                otherwise = self.body(statement.otherwise, {**reach, var: reach[var].difference(iterations)})
                yield replace(statement, body=body, otherwise=otherwise)
            case Emit(var=var, iterations=iterations):
                inside = {**reach, var: reach[var].intersection(iterations)}
                yield replace(statement, body=self.body(statement.body, inside))

    def body(self, body: Body, reach: Reach) -> Body:
        return Body(self.statements(body.statements, reach), body.yields)

    def kernel(self, members: list[Apply]) -> Apply:
        """One kernel of `members`, the last of which makes the result."""
        last, label = members[-1], self.label(members)
        if isinstance(last.op, Kernel):
            return replace(last, op=replace(last.op, label=label))
        formals = _Formals(self.net, members)
        kernel = Kernel(
            label, formals.body, tuple(formals.inputs.values()), tuple(formals.params.values()), formals.result
        )
        anchor = next((m for m in members if not is_fusable(m.op)), last)
        return Apply(kernel, (*formals.inputs, *formals.params), last.results, anchor.span)

    def label(self, members: list[Apply]) -> str:
        """A unique name: after the layer whose parameters the kernel reads, or after its operation."""
        ordered = sorted(members, key=lambda apply: (is_fusable(apply.op), is_copy_like(apply.op)))
        keys = [ref.key for apply in ordered for ref in apply.refs]
        stem = _layer(keys[0]) if keys else _operation(ordered[0])
        label = stem
        while self.labels[label]:
            self.labels[stem] += 1
            label = f"{stem}_{self.labels[stem]}"
        self.labels[label] += 1
        return label


def _layer(key: str) -> str:
    """A parameter's key without its last segment."""
    return key.rpartition(".")[0] or key


def _operation(apply: Apply) -> str:
    return apply.op.label if isinstance(apply.op, Kernel) else apply.op.name


class _Formals:
    """Formal values of a kernel by the operands and results of its members."""

    def __init__(self, net: Net, members: list[Apply]) -> None:
        self.inputs: dict[Value, Value] = {}
        self.params: dict[ParamRef, Value] = {}
        self._sizes: dict[Value, Value] = {}
        self._results: dict[Value, Value] = {}
        self._net = net
        self.body = tuple(self._apply(member) for member in members)
        self.result = self.body[-1].result
        if not self.inputs:
            batch = net.inputs[0]
            self.inputs[batch] = Value("x0", batch.type)

    def _apply(self, apply: Apply) -> Apply:
        read = set(data_operands(apply))
        for value in apply.values:
            if value not in self._results and value in read and value not in self.inputs:
                self.inputs[value] = Value(f"x{len(self.inputs)}", value.type)
        operands = tuple(
            self._param(o) if isinstance(o, ParamRef) else self._value(o, o in read) for o in apply.operands
        )
        self._results[apply.result] = Value(f"v{len(self._results)}", apply.result.type)
        return replace(apply, operands=operands, results=(self._results[apply.result],))

    def _value(self, value: Value, read: bool) -> Value:
        if value in self._results:
            return self._results[value]
        if read:
            return self.inputs[value]
        return self._sizes.setdefault(value, Value(f"s{len(self._sizes)}", value.type))

    def _param(self, ref: ParamRef) -> Value:
        return self.params.setdefault(ref, Value(f"p{len(self.params)}", self._net.ref_type(ref)))


def _readers(net: Net) -> Counter[str]:
    """How many statements, yields and outputs read the elements of each value; one that reads it twice counts once."""
    found: Counter[str] = Counter()
    for statement in walk(net.body):
        if isinstance(statement, Apply):
            found.update({value.name for value in data_operands(statement)})
        else:
            found.update(value.name for value in reads(statement))
    found.update(output.value.name for output in net.outputs)
    return found


def _streamed(net: Net, readers: Counter[str]) -> frozenset[str]:
    """Names of values that only leave the net: outputs, and what an emit yields into series that are."""
    left = Counter(output.value.name for output in net.outputs)
    alone = {name for name, count in left.items() if count == readers[name]}
    for loop in (statement for statement in net.body if isinstance(statement, Loop)):
        for emit, series in loop.collected:
            for value, result in zip(emit.body.yields, series, strict=True):
                if result.name in alone and readers[value.name] == emit.body.yields.count(value):
                    alone.add(value.name)
    return frozenset(alone)
