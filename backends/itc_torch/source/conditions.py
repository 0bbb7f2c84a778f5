"""When an iteration is one of a set, as the shortest condition that says so."""

from __future__ import annotations

from collections.abc import Callable

from itc.ir import IterationSet

INLINE = 4


def condition(var: str, chosen: IterationSet, reached: IterationSet, name: Callable[[tuple[int, ...]], str]) -> str:
    """A condition on `var`, one of `reached`, that holds for `chosen`; empty if for all. `name` names a constant."""
    inside, rest = list(chosen), list(reached.difference(chosen))
    if not rest:
        return ""
    first, last = inside[0], inside[-1]
    one_run = not any(first < t < last for t in rest)
    texts = {
        f"{var} == {first}": first == last,
        f"{var} >= {first}": one_run and rest[-1] < first,
        f"{var} <= {last}": one_run and last < rest[0],
        f"{var} != {rest[0]}": len(rest) == 1,
        f"{first} <= {var} <= {last}": one_run,
    }
    simple = next((text for text, holds in texts.items() if holds), "")
    return simple or f"{var} in {members(tuple(inside), name)}"


def members(numbers: tuple[int, ...], name: Callable[[tuple[int, ...]], str]) -> str:
    """Numbers as a range, a short tuple, or the constant that `name` makes of them."""
    step = numbers[1] - numbers[0] if len(numbers) > 2 else 0
    if step and numbers == tuple(range(numbers[0], numbers[-1] + 1, step)):
        return f"range({numbers[0]}, {numbers[-1] + 1}{f', {step}' if step > 1 else ''})"
    return str(numbers) if len(numbers) <= INLINE else name(numbers)
