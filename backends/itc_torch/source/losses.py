"""The method `loss` of a written class: the loss of every trained output by its share, and ponder costs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from textwrap import fill

from torch import Tensor

from itc.ir import Net
from itc_torch.losses import IGNORE, KINDS, OVER_CLASSES, Term, loss_of
from itc_torch.source.expressions import label_text, quoted
from itc_torch.source.layout import INDENT, WIDTH, Bracket, docstring, lines

ARGUMENTS = (
    "self",
    "outputs: dict[str, Tensor]",
    "targets: dict[str, Tensor] | Tensor",
    f"ignore_index: int = {IGNORE}",
)


def loss_method(net: Net) -> Iterator[str]:
    """The lines of the method; none for a net without a loss."""
    loss = loss_of(net)
    if not loss.terms:
        return
    yield ""
    yield from lines(Bracket("def loss(", ARGUMENTS, ") -> Tensor:"), indent=1)
    yield from docstring(
        ["The training loss, of `outputs` as of `forward` and targets by name.", _about(net)], indent=2
    )
    if len(loss.targets) == 1:
        yield f"{INDENT * 2}if isinstance(targets, Tensor):"
        yield f"{INDENT * 3}targets = {{{quoted(loss.targets[0])}: targets}}"
    yield f"{INDENT * 2}losses: list[Tensor] = []"
    for term in loss.terms:
        yield from _losses(term)
    for ponder in loss.ponders:
        for label in ponder.labels:
            yield f"{INDENT * 2}pondered = outputs[{quoted(label)}].mean()"
            yield f"{INDENT * 2}losses.append({ponder.weight!r} * pondered)"
    yield f"{INDENT * 2}return torch.stack(losses).sum()"


def loss_functions(net: Net) -> list[Callable[..., Tensor]]:
    """The functions that the method calls."""
    return [KINDS[term.kind] for term in loss_of(net).terms]


def _about(net: Net) -> str:
    classes = [term for term in loss_of(net).terms if term.kind == "cross_entropy"]
    sentences = ["The weights of all terms sum to 1."]
    sentences += [
        f"{term.target}: integer classes of {term.output.name}, whose class axis is {term.class_axis}."
        for term in classes
    ]
    if classes:
        sentences.append("Targets of ignore_index do not count.")
    return "\n".join(fill(sentence, WIDTH - 2 * len(INDENT)) for sentence in sentences)


def _losses(term: Term) -> Iterator[str]:
    """The lines that append the losses of one output: of one exit, or in a loop over its exits."""
    output = term.output
    if output.at is None:
        yield from _loss(term, quoted(output.name), repr(term.shares[0]), 2)
        return
    exits, shares = _tuple(map(str, output.at)), _tuple(map(repr, term.shares))
    if len(set(term.shares)) == 1:
        yield from lines(exits, 2, "for n in ", ":")
        yield from _loss(term, label_text(output.name, "n"), repr(term.shares[0]), 3)
        return
    yield from lines(Bracket("zip(", (exits, shares, "strict=True")), 2, "for n, weight in ", ":")
    yield from _loss(term, label_text(output.name, "n"), "weight", 3)


def _loss(term: Term, label: str, weight: str, indent: int) -> Iterator[str]:
    axis = (str(term.class_axis),) if term.kind in OVER_CLASSES else ()
    ignored = ("ignore_index",) if term.kind == "cross_entropy" else ()
    items = (f"outputs[{label}]", f"targets[{quoted(term.target)}]", *axis, *ignored)
    yield from lines(Bracket(f"{KINDS[term.kind].__name__}(", items), indent, "loss = ")
    yield f"{INDENT * indent}losses.append({weight} * loss)"


def _tuple(items: Iterable[str]) -> Bracket:
    items = tuple(items)
    return Bracket("(", items, ",)" if len(items) == 1 else ")")
