"""Iterations as expressions: which set of a parameter an iteration reads, and whether it is one of some."""

from __future__ import annotations

from operator import add, floordiv, getitem, mul, sub

from itc.ir import Index
from itc_torch.expressions import Expr, call

FEW = 4


def set_number(index: Index, iteration: Expr) -> Expr:
    """The set, from 0, that an iteration reads, as arithmetic on the loop's variable or as a search in a tuple."""
    members = (
        tuple(index.over) if index.every == 1 else tuple(dict.fromkeys((t - 1) // index.every for t in index.over))
    )
    if len(members) == 1:
        return 0
    scaled = iteration if index.step == 1 else call(mul, iteration, index.step)
    step = members[1] - members[0]
    regular = members == tuple(range(members[0], members[0] + step * len(members), step))
    if regular and step == index.every == 1:
        return minus(scaled, members[0] - index.offset)
    run = minus(scaled, (index.every > 1) - index.offset)
    run = run if index.every == 1 else call(floordiv, run, index.every)
    if not regular or (step > 1 and len(members) <= FEW):
        return call("index", members, run)  # a method, which torch.compile can follow
    first = minus(run, members[0])
    return first if step == 1 else call(floordiv, first, step)


def minus(value: Expr, number: int) -> Expr:
    """`value - number`, kept short."""
    if number == 0:
        return value
    return call(sub, value, number) if number > 0 else call(add, value, -number)


def one_set(param: Expr, numbers: tuple[Expr, ...]) -> Expr:
    """The set of `param` that the numbers of its leading axes choose: a view, so statistics are updated in place."""
    if not numbers:
        return param
    return call(getitem, param, numbers if len(numbers) > 1 else numbers[0])
