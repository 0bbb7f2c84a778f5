"""The outputs of a net in the order in which its statements come to them."""

from __future__ import annotations

from collections.abc import Iterator

from itc.ir import IterationSet, Loop, Net, Output, Statement
from itc.ir.uses import results


def returns_at_once(net: Net) -> bool:
    """Whether `forward` has nothing to give before its end."""
    return len(net.outputs) == 1 and net.outputs[0].at is None


def handed_out(net: Net) -> dict[str, list[Output]]:
    """Outputs whose series a loop of the net collects itself: they leave while it runs."""
    collected = {v.name for s in net.body if isinstance(s, Loop) for _, values in s.collected for v in values}
    out: dict[str, list[Output]] = {}
    for output in net.outputs:
        if output.value.name in collected:
            out.setdefault(output.value.name, []).append(output)
    return out


def finals(net: Net) -> dict[int, list[Output]]:
    """The other outputs, by the position of the statement that defines them; inputs stand at -1."""
    position = {value.name: at for at, statement in enumerate(net.body) for value in results(statement)}
    while_loops_run = handed_out(net)
    out: dict[int, list[Output]] = {}
    for output in net.outputs:
        if output.value.name not in while_loops_run:
            out.setdefault(position.get(output.value.name, -1), []).append(output)
    return out


def run_order(net: Net) -> tuple[str, ...]:
    """The labels in the order in which `iterate` comes to them."""
    collected, others = handed_out(net), finals(net)
    out = [label for output in others.get(-1, ()) for label in output.labels]
    for position, statement in enumerate(net.body):
        exits = [
            (t, order, label)
            for order, (series, output) in enumerate(_collected(statement, collected))
            for t, label in zip(series, output.labels, strict=True)
        ]
        out += [label for *_, label in sorted(exits)]
        out += [label for output in others.get(position, ()) for label in output.labels]
    return tuple(out)


def _collected(statement: Statement, outputs: dict[str, list[Output]]) -> Iterator[tuple[IterationSet, Output]]:
    """The outputs that the iterations of a loop hand out, in the order of its text, with those iterations."""
    for emit, values in statement.collected if isinstance(statement, Loop) else ():
        for value in values:
            for output in outputs.get(value.name, ()):
                yield emit.iterations, output
