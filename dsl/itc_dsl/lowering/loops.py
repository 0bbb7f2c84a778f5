"""Elaborates iterative blocks into loops of the IR with carries and series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

import numpy as np

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.ir import Body, Carry, Each, Emit, Halt, IterationSet, Loop, SeriesType, Statement, Value, When, close, walk
from itc.records import dataclass
from itc.source import Span
from itc_dsl import ast
from itc_dsl.lowering.halting import halt_of, hand_out, result_types
from itc_dsl.lowering.scope import Axis, OpenLoop, Scope, as_integer, executes, exhausted
from itc_dsl.lowering.tables import picked
from itc_dsl.lowering.values import (
    Broken,
    Items,
    LoopContext,
    Stop,
    Varying,
    describe,
    is_tensor,
    leaves,
    make_list,
    rebuild,
    same_structure,
    tensor_types,
)
from itc_dsl.lowering.widths import mended, width_edit
from itc_dsl.sharing import loop_of, sharing_of
from itc_dsl.signature import plural

MAX_ITERATIONS = 1_000_000
MAX_CARRIED = 64
#: Limit of the product of nested iteration counts, so that costs are exact in floating point up to 2^53.
MAX_NESTED = 10**12
#: Limit of series elements, since latency is computed for each.
MAX_SERIES = 100_000
#: Limit of condition changes times body size, since costs are computed for each.
MAX_CHANGES = 1_000_000

Pairs = list[tuple[Value, Value]]


@dataclass
class _Flow:
    """A carry: its parameter, initial value, values in the body, and tensors of the initial value."""

    param: ast.Param
    start: object
    inner: list[Value]
    init: list[Value]


def run_loop(scope: Scope, block: ast.Block, span: Span) -> object:
    """Elaborates the body of an iterative block with arguments in `scope`; returns its carries and series."""
    lowering = scope.lowering
    listed = [param for param in block.params if param.role == "each" and is_list(scope.names[param.name.text])]
    each = [_each(scope, param) for param in block.params if param.role == "each" and param not in listed]
    frame = _frame(scope, block, each, listed)
    flows = [_flow(scope, param) for param in block.params if param.role == "carry"]
    for param, items in _elements(scope, each):
        scope.names[param.name.text] = items
    scope.axes = (*scope.axes, sharing_axis(scope, block, frame))
    scope.loop = frame
    made_before = len(lowering.order)
    carried = sum(len(flow.inner) for flow in flows)
    _carry(scope, carried, span)
    lowering.around.append(frame)
    try:
        with lowering.builder.body() as statements:
            _walk(scope, listed, frame)
            scope.run(block.body)
    finally:
        lowering.around.pop()
        lowering.carried -= carried
    body = close(statements, [value for flow in flows for value in _ends(scope, flow)])
    _change(frame, body, carried, span)
    walked = tuple(Each(inner, series) for _, pairs in each for series, inner in pairs)
    halt = halt_of(scope, block, [(flow.param, value) for flow in flows for value in flow.inner], body)
    return _close(scope, frame, flows, walked, body, halt, span, made_before)


def _carry(scope: Scope, count: int, span: Span) -> None:
    """Checks the number of tensors carried by the enclosing loops (E0391)."""
    lowering = scope.lowering
    lowering.carried += count
    if lowering.carried > MAX_CARRIED:
        message = f"nested loops carry {lowering.carried} tensors, the limit is {MAX_CARRIED}"
        raise exhausted("E0391", message, span)


def _change(frame: LoopContext, body: Body, carried: int, span: Span) -> None:
    """Raises CompileError (E0391) for too many condition changes in a body of this size."""
    inside = list(walk(body.statements))
    chosen = {s.iterations for s in inside if isinstance(s, When) and s.var == frame.var}
    changes = min(frame.count, sum(iterations.changes for iterations in chosen))
    size = carried + sum(1 if isinstance(s, Emit) else 1 + len(s.results) for s in inside)
    if changes * size > MAX_CHANGES:
        message = f"the conditions on `iteration` change {changes} times in a loop with {size} values"
        help = f"the limit of the product is {MAX_CHANGES}"
        raise exhausted("E0391", message, span, help)


def _close(
    scope: Scope,
    frame: LoopContext,
    flows: list[_Flow],
    each: tuple[Each, ...],
    body: Body,
    halt: Halt | None,
    span: Span,
    made_before: int,
) -> object:
    """Adds the loop to the net; returns its results in the structure of the carries and yields."""
    lowering = scope.lowering
    carries = tuple(Carry(i, o) for flow in flows for i, o in zip(flow.inner, flow.init, strict=True))
    origin = scope.call or span
    after = [lowering.value(value.type, value.name, origin) for flow in flows for value in flow.inner]
    for result, value in zip(after, body.yields, strict=True):
        lowering.same_volume(result, value)
    series = [
        lowering.value(SeriesType(len(emit.iterations), value.tensor), "series", origin)
        for emit in body.statements
        if isinstance(emit, Emit)
        for value in emit.body.yields
    ]
    halted = [lowering.value(type, name, origin) for name, type in result_types(halt)] if halt else []
    loop = Loop(frame.var, frame.count, carries, body, (*after, *series, *halted), each, halt, span)
    lowering.builder.add(loop)
    if not lowering.around:
        hand_out(scope, loop)
        ends = {result.name: value for result, value in zip(after, body.yields, strict=True)}
        position = len(lowering.statements) - 1
        lowering.last_loop = OpenLoop(loop, position, ends, scope.definition.name.text, origin, made_before)
    results, rest = iter(after), iter(series)
    yields = [y if isinstance(y, Broken) else rebuild(y, rest) for y in scope.yields]
    parts = [*(rebuild(flow.start, results) for flow in flows), *yields]
    return parts[0] if len(parts) == 1 else make_list(parts, span)


def sharing_axis(scope: Scope, block: ast.Block, frame: LoopContext) -> Axis:
    """The loop as a set axis of parameters, by the `@share` of the block or its override (E0405)."""
    sharing = scope.lowering.chosen.sharing.get(block) or sharing_of(block)
    every = 1
    if sharing.every is not None:
        every = scope.integer(sharing.every, "`every`")
        if every < 1:
            raise fail("E0217", "`every` must be at least 1", sharing.every.span, f"this is {every}")
    return Axis(frame, sharing, every, len(scope.path))


# How often


def _frame(scope: Scope, block: ast.Block, each: list[tuple[ast.Param, Pairs]], listed: list[ast.Param]) -> LoopContext:
    """The loop's variable and count, from `@loop` or the length of its `each` arguments (E0408, E0418)."""
    lengths = list(_lengths(scope, each, listed))
    written = loop_of(block)
    if written is not None:
        count = as_integer(scope.value(written.count), written.count, "the number of iterations")
        if not 1 <= count <= MAX_ITERATIONS:
            message = f"a loop has 1 to {MAX_ITERATIONS} iterations"
            raise CompileError([Diagnostic("E0408", message, *_count_labels(scope, written.count, count))])
        lengths.append((count, Label(written.count.span, plural(count, "iteration"))))
    count = _agreed(lengths)
    _nest(scope, block, count)
    return LoopContext(scope.lowering.builder.fresh("t"), count, IterationSet.span(1, count))


def _nest(scope: Scope, block: ast.Block, count: int) -> None:
    """Raises CompileError (E0408) if the product of nested iteration counts is too large."""
    runs = prod((frame.count for frame in scope.lowering.around), start=count)
    if runs > MAX_NESTED:
        message = f"nested loops run at most {MAX_NESTED} iterations in total"
        raise fail("E0408", message, block.name.span, f"this one {runs} times" if runs < 10**18 else "far more often")


def _lengths(scope: Scope, each: list[tuple[ast.Param, Pairs]], listed: list[ast.Param]) -> Iterator[tuple[int, Label]]:
    """The length of each list and series of `each` parameters, with a label."""
    for param, pairs in each:
        counts = {series.type.count for series, _ in pairs if isinstance(series.type, SeriesType)}
        yield from ((count, _length_label(scope, param, count)) for count in sorted(counts))
    for param in listed:
        count = _length(scope, param)
        yield count, _length_label(scope, param, count)


def _length_label(scope: Scope, param: ast.Param, count: int) -> Label:
    return Label(scope.arguments[param.name.text], f"{plural(count, 'element')} for `each {param.name.text}`")


def _agreed(lengths: list[tuple[int, Label]]) -> int:
    """The common length (E0418)."""
    (count, first), *others = lengths
    for other, label in others:
        if other != count:
            message = f"a loop of {count} and {other} iterations"
            help = "all `each` arguments must have one length, which is the number of iterations"
            raise CompileError([Diagnostic("E0418", message, label, (first,), help)])
    return count


def _count_labels(scope: Scope, expr: ast.Expr, count: int) -> tuple[Label, tuple[Label, ...]]:
    """The label of the argument that determines the count, or of `@loop`."""
    given = scope.arguments.get(expr.text) if isinstance(expr, ast.Name) else None
    note = f"this is {count}"
    return (Label(given, note), (Label(expr.span, "iterations"),)) if given else (Label(expr.span, note), ())


# What flows


def _flow(scope: Scope, param: ast.Param) -> _Flow:
    start = scope.names[param.name.text]
    span = scope.arguments[param.name.text]
    init = list(_tensors(start, span, f"the carry `{param.name.text}`"))
    names = _names(param.name.text, len(init))
    origins = scope.lowering.origins
    inner = [scope.lowering.value(v.type, n, origins.get(v.name, span)) for v, n in zip(init, names, strict=True)]
    for value, first in zip(inner, init, strict=True):
        scope.lowering.same_volume(value, first)
    scope.names[param.name.text] = rebuild(start, iter(inner))
    return _Flow(param, start, inner, init)


def _names(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name}_{i}" for i in range(count)]


def _tensors(value: object, span: Span, what: str) -> Iterator[Value]:
    """The tensors of a nested list of tensors (E0303)."""
    for leaf in leaves(value):
        if isinstance(leaf, Broken):
            raise Stop
        if not isinstance(leaf, Value) or not is_tensor(leaf):
            raise fail("E0303", f"{what} must be a tensor or a list of tensors", span, f"here is {describe(leaf)}")
        yield leaf


def _ends(scope: Scope, flow: _Flow) -> list[Value]:
    """The values of a carry at the end of the body, checked against its initial structure and types (E0401)."""
    name = flow.param.name.text
    end = scope.value(ast.Name(flow.param.name.span, name))
    if isinstance(end, Broken):
        raise Stop
    started = rebuild(flow.start, iter(flow.inner))
    ends = list(leaves(end))
    alike = same_structure(started, end) and all(
        isinstance(new, Value) and new.type == old.type for old, new in zip(flow.inner, ends, strict=True)
    )
    if not alike:
        raise CompileError([_changed(scope, flow, started, end)])
    return [value for value in ends if isinstance(value, Value)]


def _changed(scope: Scope, flow: _Flow, started: object, end: object) -> Diagnostic:
    name = flow.param.name.text
    last = last_assignment(scope.definition.body, name)
    was, becomes = tensor_types(started), tensor_types(end)
    labels = [Label(flow.param.span, f"starts as {was}")]
    origin = scope.lowering.origins.get(flow.init[0].name) if flow.init else None
    if origin is not None:
        labels.append(Label(origin, "comes from here"))
    message = f"the carry `{name}` changes its shape in an iteration"
    remedy, edit = _remedy(started, end, last)
    span = last.span if last else flow.param.span
    help = f"a carry must keep its shape; {remedy}"
    return Diagnostic("E0401", message, Label(span, f"ends as {becomes}"), tuple(labels), help, edit)


def _remedy(started: object, end: object, last: ast.Assign | None) -> tuple[str, Edit | None]:
    """The remedy for a changed carry, with an edit if a number in the text determines its width."""
    if not isinstance(started, Value) or not isinstance(end, Value) or not is_tensor(end):
        return "assign tensors of its initial types", None
    was, becomes = started.tensor, end.tensor
    if not was.shape or not becomes.shape or was.channels == becomes.channels:
        return f"convert it to {was}", None
    edit = width_edit(last.value, becomes.channels, was.channels) if last else None
    if last and edit:
        return f"convert it: `{mended(last.value, edit)}`", edit
    return f"convert it to {was.channels} channels", None


def last_assignment(suite: ast.Suite, name: str) -> ast.Assign | None:
    found = None
    for node in ast.walk(*suite):
        if isinstance(node, ast.Assign) and any(
            isinstance(part, ast.Ident) and part.text == name for part in ast.walk(node.target)
        ):
            found = node
    return found


# Series


def is_list(value: object) -> bool:
    """Whether `each` iterates over the elements of a list, which contains no series."""
    return isinstance(value, Items) and not any(_is_series(leaf) for leaf in leaves(value))


def _is_series(value: object) -> bool:
    return isinstance(value, Value) and isinstance(value.type, SeriesType)


def _length(scope: Scope, param: ast.Param) -> int:
    value = scope.names[param.name.text]
    assert isinstance(value, Items)
    if not value.items:
        span = scope.arguments[param.name.text]
        raise fail("E0418", f"the list of `each {param.name.text}` is empty", span, "no iteration")
    return len(value.items)


def _walk(scope: Scope, listed: list[ast.Param], frame: LoopContext) -> None:
    """Binds each parameter over a list to the element of the iteration."""
    for param in listed:
        items, span = scope.names[param.name.text], scope.arguments[param.name.text]
        assert isinstance(items, Items)
        scope.names[param.name.text] = picked(scope, items, Varying(frame, np.arange(frame.count)), span)


def _each(scope: Scope, param: ast.Param) -> tuple[ast.Param, Pairs]:
    """The series of an `each` parameter, with the element of the current iteration (E0418)."""
    value, span = scope.names[param.name.text], scope.arguments[param.name.text]
    pairs: Pairs = []
    for leaf in leaves(value):
        if not isinstance(leaf, Value) or not isinstance(leaf.type, SeriesType):
            message = f"`each {param.name.text}` needs a list, or a series of a `yield`"
            raise fail("E0418", message, span, f"here is {describe(leaf)}")
        pairs.append((leaf, scope.lowering.value(leaf.type.element, param.name.text, span)))
    return param, pairs


def _elements(scope: Scope, each: list[tuple[ast.Param, Pairs]]) -> Iterator[tuple[ast.Param, object]]:
    for param, pairs in each:
        yield param, rebuild(scope.names[param.name.text], (inner for _, inner in pairs))


@executes(ast.Yield)
def yield_(scope: Scope, statement: ast.Yield) -> None:
    """Collects a value of every iteration; the checker ensures that it is directly in an iterative body."""
    value = scope.value(statement.value)
    values = tuple(_tensors(value, statement.value.span, "the value of `yield`"))
    assert scope.loop is not None
    _collect(scope, len(values), statement.span)
    scope.lowering.builder.add(Emit(scope.loop.var, scope.loop.reach, Body((), values), statement.span))
    scope.yields.append(value)


def _collect(scope: Scope, count: int, span: Span) -> None:
    """Checks the total number of series elements (E0390)."""
    assert scope.loop is not None
    scope.lowering.yielded += count * scope.loop.count
    if scope.lowering.yielded > MAX_SERIES:
        message = f"the series of a network have at most {MAX_SERIES} elements in total"
        raise exhausted("E0390", message, span)


def with_emit(loop: Loop, emit: Emit, series: Value) -> Loop:
    """The loop with one more emit at the end of its body."""
    statements: tuple[Statement, ...] = (*loop.body.statements, emit)
    return replace(loop, body=Body(statements, loop.body.yields), results=(*loop.results, series))
