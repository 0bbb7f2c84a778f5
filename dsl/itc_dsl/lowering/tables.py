"""Values that differ between iterations, in the IR: a constant with a set an iteration, or a region for each value."""

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
    Frame,
    Items,
    Varying,
    is_number,
    is_tensor,
    leaves,
    rebuild,
    same_structure,
    tensor_types,
)

#: How many different values an argument may take in one loop: each is a region of its own.
MAX_VALUES = 64
#: How many iterations a table in the arithmetic of tensors may have: it is in the checkpoint.
MAX_TABLE = 100_000

T = TypeVar("T")
#: Sets of iterations, each with what is so in them.
Groups = list[tuple[IterationSet, T]]


def reached(table: Varying) -> NDArray[Any]:
    """The entries of the iterations that come to the current place, in order."""
    return np.asarray(table.values[np.asarray(table.frame.reach.numbers) - 1])


def only_number(value: object) -> object:
    """The one number of a table that does not differ here; anything else as it is."""
    if not isinstance(value, Varying):
        return value
    entries = reached(value)
    return entries[0].item() if (entries == entries[0]).all() else value


# In arithmetic


def as_tensor(scope: Scope, table: Varying, like: Value, span: Span) -> Value:
    """The numbers of a table as a tensor of the type of `like`: a constant under `table`, one set an iteration.

    Raises CompileError for tensors of integers (E0302) and for loops that are too long for it (E0390).
    """
    type, origin = like.tensor, scope.origin(span)
    if type.dtype not in FLOATS:
        raise fail("E0302", f"{type} and a number that depends on `iteration`", span, "convert it: `cast(x, f32)`")
    numbers = reached(table).astype(np.float64)
    if len(numbers) > MAX_TABLE:
        message = f"a table of {len(numbers)} numbers, at most {MAX_TABLE} are possible"
        raise fail("E0390", message, span, "one for each iteration")
    scope.lowering.count(len(numbers), span)
    ref = _constant(scope, table.frame, numbers, (1,) if type.shape else ())
    steps: list[tuple[Any, list[Operand]]] = [(Parameter(), [scope.lowering.builder.inputs[0], ref])]
    value = scope.lowering.apply(*steps[0], span, origin)
    if type.dtype != "f32":
        value = scope.lowering.apply(Cast(type.dtype), [value], span, origin)
    return scope.lowering.apply(Broadcast(), [value, like], span, origin) if value.type != type else value


def _constant(scope: Scope, frame: Frame, numbers: NDArray[np.float64], shape: tuple[int, ...]) -> ParamRef:
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


def by_value(values: Sequence[object], span: Span) -> tuple[Frame, Groups[tuple[object, ...]]] | None:
    """The sets of iterations in which the tables in `values` are alike, each with the values there.

    Nothing where no table differs between iterations. Raises CompileError (E0412) for tables of two loops, and for too
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
        message = f"this takes {len(first)} values in one loop, at most {MAX_VALUES} are possible"
        help = "in the arithmetic of tensors there is no such bound: `x * (1 / iteration)`"
        raise fail("E0412", message, span, "differs between iterations", help)
    numbers = np.asarray(frame.reach.numbers)
    sets = [IterationSet.of(numbers[group.reshape(-1) == place].tolist()) for place in range(len(first))]
    found = [(s, _at(whole, int(numbers[at]) - 1)) for s, at in zip(sets, first.tolist(), strict=True)]
    return frame, sorted(found, key=lambda pair: pair[0].runs[0][0])


def two_loops(span: Span) -> CompileError:
    message = "a value depends on the `iteration` of one loop"
    return fail("E0412", message, span, "depends on two loops")


def _at(values: Items, position: int) -> tuple[object, ...]:
    """The values as they are in one iteration."""
    plain = (leaf.values[position].item() if isinstance(leaf, Varying) else leaf for leaf in leaves(values))
    out = rebuild(values, plain)
    assert isinstance(out, Items)
    return out.items


def each_by_its_own(scope: Scope, frame: Frame, groups: Groups[T], run: Callable[[T], Value], span: Span) -> Value:
    """One value: in the iterations of each group what `run` makes of the group's values.

    Regions nest by halves, so that their depth is the logarithm of their number. Raises CompileError (E0309) where the
    groups come to tensors of unlike types.
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
        raise CompileError([Diagnostic("E0309", "this has one shape in all iterations", Label(span, note))])
    result = scope.lowering.value(ends[0].type, "", scope.origin(span))
    scope.lowering.builder.add(When(frame.var, taken, bodies[0], bodies[1], (result,), span))
    return result


# In lists


def picked(scope: Scope, items: Items, positions: Varying, span: Span) -> object:
    """The element of a list that each iteration asks for: tables of numbers, and regions that choose tensors.

    Raises CompileError (E0306, E0309) for an element that is not there, and for elements that are unlike.
    """
    count, asked = len(items.items), reached(positions)
    beyond = asked[(asked < -count) | (asked >= count)]
    if beyond.size:
        message = f"there is no element {beyond[0]} in a list of {count}, which some iteration asks for"
        raise fail("E0306", message, span, "out of range", "elements count from 0: `values[iteration - 1]`")
    used = np.unique(asked % count).tolist()
    first = items.items[used[0]]
    if not all(same_structure(first, items.items[place]) for place in used):
        raise unlike(span)
    columns = zip(*(leaves(items.items[place]) for place in used), strict=True)
    places = Varying(positions.frame, positions.values % count)
    return rebuild(first, (_picked_leaf(scope, column, used, places, span) for column in columns))


def _picked_leaf(scope: Scope, column: tuple[object, ...], used: list[int], places: Varying, span: Span) -> object:
    """One value for those that the elements at the places `used` have."""
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
    """For each iteration the entry at its place, of those at the places `used`; anything where it does not come."""
    return np.asarray(entries[np.searchsorted(used, places.values).clip(max=len(used) - 1)])


def unlike(span: Span) -> CompileError:
    message = "the elements that iterations pick from this list are unlike"
    help = "all are tensors of one shape, numbers, true and false, or lists of these: nothing else differs by iteration"
    return fail("E0309", message, span, "unlike in other iterations", help)
