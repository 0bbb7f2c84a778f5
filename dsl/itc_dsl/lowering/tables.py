"""Lowers values that depend on the iteration: to a constant with one set per iteration, or to branches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.ir import Index, IterationSet, Operand, Param, ParamRef, TensorType, Value, When, close
from itc.ir.ops.cast import Cast
from itc.ir.ops.rearrange import Broadcast
from itc.ir.ops.table import Parameter
from itc.ir.types import FLOATS
from itc.source import Span
from itc_dsl.lowering.scope import Scope, narrowed
from itc_dsl.lowering.values import (
    Items,
    LoopContext,
    Varying,
    describe,
    is_number,
    is_tensor,
    leaves,
    rebuild,
    same_structure,
    tensor_types,
)

#: Maximum number of distinct values of an argument in one loop; each is a branch.
MAX_VALUES = 64
#: Maximum number of iterations of a table in tensor arithmetic, since it is stored in the checkpoint.
MAX_TABLE = 100_000

T = TypeVar("T")
#: Iteration sets, each with its value.
Groups = list[tuple[IterationSet, T]]


def reached(table: Varying) -> NDArray[Any]:
    """The entries of the reaching iterations, in order."""
    return np.asarray(table.values[np.asarray(table.frame.reach.numbers) - 1])


def only_number(value: object) -> object:
    """A table with equal entries as a number; other values unchanged."""
    if not isinstance(value, Varying):
        return value
    entries = reached(value)
    return entries[0].item() if (entries == entries[0]).all() else value


# In arithmetic


def table(span: Span, function: Callable[[Any, Any], Any], left: object, right: object) -> Varying:
    """`function` of two values, at least one of them a table; two tables must belong to the same loop (E0412)."""
    frames = [side.frame for side in (left, right) if isinstance(side, Varying)]
    if len(frames) == 2 and frames[0] is not frames[1]:
        raise two_loops(span)
    sides = [side.values if isinstance(side, Varying) else side for side in (left, right)]
    for side in (left, right):
        if not isinstance(side, Varying | bool) and not is_number(side):
            message = f"{describe(side)} cannot be combined with a value that depends on `iteration`"
            raise fail("E0412", message, span, "not possible")
    return Varying(frames[0], np.asarray(function(*sides)))


def as_tensor(scope: Scope, table: Varying, like: Value, span: Span) -> Value:
    """A table as a tensor of the type of `like`: a constant under `table` with one set per iteration.

    Raises CompileError for integer tensors (E0302) and for too long loops (E0390).
    """
    type, origin = like.tensor, scope.origin(span)
    if type.dtype not in FLOATS:
        raise fail("E0302", f"{type} and a number that depends on `iteration`", span, "convert it: `cast(x, f32)`")
    numbers = reached(table).astype(np.float64)
    if len(numbers) > MAX_TABLE:
        message = f"a table of {len(numbers)} numbers, the limit is {MAX_TABLE}"
        raise fail("E0390", message, span, "one for each iteration")
    scope.lowering.count(len(numbers), span)
    ref = _constant(scope, table.frame, numbers, (1,) if type.shape else ())
    steps: list[tuple[Any, list[Operand]]] = [(Parameter(), [scope.lowering.builder.inputs[0], ref])]
    value = scope.lowering.apply(*steps[0], span, origin)
    if type.dtype != "f32":
        value = scope.lowering.apply(Cast(type.dtype), [value], span, origin)
    return scope.lowering.apply(Broadcast(), [value, like], span, origin) if value.type != type else value


def _constant(scope: Scope, frame: LoopContext, numbers: NDArray[np.float64], shape: tuple[int, ...]) -> ParamRef:
    """A constant with these numbers under the next free key of the body, `table`, `table_2`, ..."""
    params = scope.lowering.builder.params
    init = f"values({','.join(map(repr, numbers.tolist()))})"
    count, param = 1, None
    while param is None or params.get(param.key, param) != param:
        name = "table" if count == 1 else f"table_{count}"
        param = Param(".".join((*scope.path, name)), TensorType("f32", shape), "constant", init, (len(numbers),))
        count += 1
    scope.lowering.builder.param(param)
    return ParamRef(param.key, (Index(frame.var, frame.reach),))


# In arguments


def by_value(values: Sequence[object], span: Span) -> tuple[LoopContext, Groups[tuple[object, ...]]] | None:
    """The iteration sets on which all tables in `values` are constant, each with the values.

    Empty if no table differs between iterations. Raises CompileError (E0412) for tables of two loops, and for too
    many values.
    """
    whole = Items(tuple(values), 1)
    tables = [leaf for leaf in leaves(whole) if isinstance(leaf, Varying)]
    if not tables:
        return None
    frame = tables[0].frame
    if any(table.frame is not frame for table in tables):
        raise two_loops(span)
    rows = np.stack([reached(table).astype(np.float64) for table in tables], -1)
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    if len(first) > MAX_VALUES:
        message = f"this has {len(first)} distinct values in one loop, the limit is {MAX_VALUES}"
        help = "tensor arithmetic has no such limit: `x * (1 / iteration)`"
        raise fail("E0412", message, span, "differs between iterations", help)
    numbers = np.asarray(frame.reach.numbers)
    sets = [IterationSet.of(numbers[group.reshape(-1) == place].tolist()) for place in range(len(first))]
    found = [(s, _at(whole, int(numbers[at]) - 1)) for s, at in zip(sets, first.tolist(), strict=True)]
    return frame, sorted(found, key=lambda pair: pair[0].runs[0][0])


def two_loops(span: Span) -> CompileError:
    message = "a value cannot depend on the `iteration` of two loops"
    return fail("E0412", message, span, "depends on two loops")


def _at(values: Items, position: int) -> tuple[object, ...]:
    """The values in one iteration."""
    plain = (leaf.values[position].item() if isinstance(leaf, Varying) else leaf for leaf in leaves(values))
    out = rebuild(values, plain)
    assert isinstance(out, Items)
    return out.items


def each_by_its_own(
    scope: Scope, frame: LoopContext, groups: Groups[T], run: Callable[[T], Value], span: Span
) -> Value:
    """The joined value of `run` applied to the values of each group.

    Branches nest by halves, to logarithmic depth. Raises CompileError (E0309) if the groups have tensors of different
    types.
    """
    if len(groups) == 1:
        return run(groups[0][1])
    half = len(groups) // 2
    parts = groups[:half], groups[half:]
    taken = IterationSet.of(n for iterations, _ in parts[0] for n in iterations)
    bodies, ends = [], []
    for reach, part in zip((taken, frame.reach.difference(taken)), parts, strict=True):
        with scope.lowering.builder.body() as statements, narrowed(frame, reach):
            ends.append(each_by_its_own(scope, frame, part, run, span))
        bodies.append(close(statements, [ends[-1]]))
    if ends[0].type != ends[1].type:
        note = f"{tensor_types(ends[0])} in iterations {taken}, {tensor_types(ends[1])} in others"
        raise CompileError([Diagnostic("E0309", "this must have the same shape in all iterations", Label(span, note))])
    result = scope.lowering.value(ends[0].type, "", scope.origin(span))
    scope.lowering.builder.add(When(frame.var, taken, bodies[0], bodies[1], (result,), span))
    return result


# In lists


def picked(scope: Scope, items: Items, positions: Varying, span: Span) -> object:
    """The element of a list selected by each iteration: a table of numbers, or a tensor selected by branches.

    Raises CompileError (E0306, E0309) for an index out of range, and for elements of different types.
    """
    count, asked = len(items.items), reached(positions)
    beyond = asked[(asked < -count) | (asked >= count)]
    if beyond.size:
        message = f"index {beyond[0]} of some iteration is out of range for a list of {count}"
        raise fail("E0306", message, span, "out of range", "elements count from 0: `values[iteration - 1]`")
    used = np.unique(asked % count).tolist()
    first = items.items[used[0]]
    if not all(same_structure(first, items.items[place]) for place in used):
        raise unlike(span)
    columns = zip(*(leaves(items.items[place]) for place in used), strict=True)
    places = Varying(positions.frame, positions.values % count)
    return rebuild(first, (_picked_leaf(scope, column, used, places, span) for column in columns))


def _picked_leaf(scope: Scope, column: tuple[object, ...], used: list[int], places: Varying, span: Span) -> object:
    """The joined value of the elements at the indices `used`."""
    if all(value is column[0] for value in column):
        return column[0]
    if all(map(is_tensor, column)):
        values = [value for value in column if isinstance(value, Value)]
        return _picked_tensor(scope, values, used, places, span)
    if not all(map(is_number, column)) and not all(isinstance(value, bool) for value in column):
        raise unlike(span)
    numbers: list[Any] = [*column]
    return Varying(places.frame, _looked_up(np.asarray(numbers), used, places))


def _picked_tensor(scope: Scope, values: list[Value], used: list[int], places: Varying, span: Span) -> Value:
    distinct = list(dict.fromkeys(values))
    which = np.asarray([distinct.index(value) for value in values])
    table = Varying(places.frame, _looked_up(which, used, places))
    found = by_value([table], span)
    assert found, "there is one table"
    frame, groups = found
    chosen = [(iterations, distinct[place]) for iterations, (place,) in groups if isinstance(place, int)]
    return each_by_its_own(scope, frame, chosen, lambda value: value, span)


def _looked_up(entries: NDArray[Any], used: list[int], places: Varying) -> NDArray[Any]:
    """For each iteration, the selected entry among those at the indices `used`; arbitrary for other iterations."""
    return np.asarray(entries[np.searchsorted(used, places.values).clip(max=len(used) - 1)])


def unlike(span: Span) -> CompileError:
    message = "the elements of this list selected by iterations differ in type"
    help = "use tensors of one shape, numbers, booleans, or lists of these"
    return fail("E0309", message, span, "unlike in other iterations", help)
