"""Costs of a piece of a spec: operations, multiply-accumulates and trained parameters of what it stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from itc.ir.net import Apply, Emit, Loop, Net, Statement, When
from itc.source import Span
from itc_lsp.analysis import Analysis


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one inference: MACs, with the iterations of loops, and elements of all parameter sets."""

    macs: int
    params: int
    operations: int


def figures(analysis: Analysis, span: Span) -> Figures | None:
    """The figures of the operations that come from a span, in the first network that has any."""
    for net in analysis.nets:
        inside = [(apply, times) for apply, times in executed(net) if _within(_origin(analysis, apply), span)]
        if inside:
            return _summed(net, inside)
    return None


def of_net(net: Net) -> Figures:
    """The figures of a whole network."""
    return _summed(net, [*executed(net)])


def _summed(net: Net, applies: list[tuple[Apply, int]]) -> Figures:
    keys = {ref.key for apply, _ in applies for ref in apply.refs if net.param[ref.key].trained}
    macs = sum(times * apply.op.macs(*net.operand_types(apply)) for apply, times in applies)
    return Figures(macs, sum(net.param[key].size for key in keys), len(applies))


def _origin(analysis: Analysis, apply: Apply) -> Span | None:
    """Where an operation stands in the file itself: for one of an imported block, the call that leads there."""
    if apply.span is not None and apply.span.source is analysis.source:
        return apply.span
    return analysis.trace.origins.get(apply.results[0].name)


def _within(inner: Span | None, outer: Span) -> bool:
    return inner is not None and inner.source is outer.source and outer.start <= inner.start and inner.end <= outer.end


def executed(net: Net) -> Iterator[tuple[Apply, int]]:
    """Every operation with its executions in one inference; of loops that halt, at most so many."""
    return _executed(net.body, {})


def _executed(statements: tuple[Statement, ...], reach: dict[str, int]) -> Iterator[tuple[Apply, int]]:
    """`reach` has, for each loop around, the iterations that reach the statements."""
    for statement in statements:
        match statement:
            case Apply():
                times = 1
                for count in reach.values():
                    times *= count
                yield statement, times
            case Loop(var=var, count=count, body=body):
                yield from _executed(body.statements, {**reach, var: count})
            case Emit(var=var, iterations=iterations, body=body):
                yield from _executed(body.statements, {**reach, var: len(iterations)})
            case When(var=var, iterations=iterations, body=body, otherwise=otherwise):
                chosen = min(len(iterations), reach[var])
                yield from _executed(body.statements, {**reach, var: chosen})
                yield from _executed(otherwise.statements, {**reach, var: reach[var] - chosen})
