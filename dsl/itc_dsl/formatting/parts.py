"""The tokens of a line as a tree of breakable and unbreakable parts, with their widths on one line.

A bracket may be broken after its commas, else before a `for`, an `if` or an operator, from the loosest on; a pipe
before `|>`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from functools import partial
from itertools import pairwise
from math import inf

from itc.records import dataclass
from itc_dsl.formatting.words import Word
from itc_dsl.layout import CLOSING, OPENING

#: Break positions inside a bracket, by increasing precedence: after commas, before these tokens.
LEVELS = (
    ("_FOR",),
    ("_IF", "_ELSE"),
    ("OR",),
    ("AND",),
    ("COMPARE", "EQUAL"),
    ("PLUS", "MINUS"),
    ("STAR", "SLASH", "DOUBLESLASH", "PERCENT"),
)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A token and whether a space precedes it; `width` includes the space."""

    word: Word
    space: bool

    @property
    def type(self) -> str:
        return self.word.type

    @property
    def first(self) -> Leaf:
        return self

    @property
    def width(self) -> float:
        return self.space + len(self.word.text)

    @property
    def head(self) -> tuple[float, bool]:
        return self.width, False


@dataclass(frozen=True, slots=True)
class Enclosed:
    """A bracket with its contents."""

    open: Leaf
    inside: Doc | None
    close: Leaf
    width: float = field(init=False)

    def __post_init__(self) -> None:
        inside = _outer_width(self.inside) if self.inside else 0
        object.__setattr__(self, "width", self.open.width + inside + _outer_width(self.close))

    @property
    def type(self) -> str:
        return self.open.type

    @property
    def space(self) -> bool:
        return self.open.space

    @property
    def first(self) -> Leaf:
        return self.open

    @property
    def head(self) -> tuple[float, bool]:
        return self.open.width, True


@dataclass(frozen=True, slots=True)
class Glued:
    """Parts without line breaks between them."""

    parts: tuple[Doc, ...]
    width: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", _total(self.parts))

    @property
    def first(self) -> Leaf:
        return self.parts[0].first

    @property
    def head(self) -> tuple[float, bool]:
        return heads(self.parts)


@dataclass(frozen=True, slots=True)
class Fill:
    """Parts with possible line breaks between them, aligned with the first."""

    parts: tuple[Doc, ...]
    width: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", _total(self.parts))

    @property
    def first(self) -> Leaf:
        return self.parts[0].first

    @property
    def head(self) -> tuple[float, bool]:
        return self.parts[0].head[0], True


Doc = Leaf | Enclosed | Glued | Fill
Element = Leaf | Enclosed


def _outer_width(doc: Doc) -> float:
    """The width of a part on one line; infinite if a comment precedes a token in it."""
    return inf if doc.first.word.comments else doc.width


def _total(parts: Sequence[Doc]) -> float:
    """The width of parts on one line, without comments before the first."""
    return parts[0].width + sum(map(_outer_width, parts[1:]))


def heads(parts: Sequence[Doc]) -> tuple[float, bool]:
    """The width up to the next possible line break, and whether the break is inside `parts`."""
    total = 0.0
    for part in parts:
        if part.first.word.comments:
            return total, True
        width, ends = part.head
        total += width
        if ends:
            return total, True
    return total, False


def parts(words: Sequence[Word]) -> Doc:
    """One line of the language as its parts."""
    return _pipes(_elements(words))


def _elements(words: Sequence[Word]) -> list[Element]:
    """The tokens with their spacing; a bracket with its contents is one part."""
    open: list[tuple[Leaf, list[Element]]] = []
    elements: list[Element] = []
    before: list[Word] = []
    for original in words:
        negative = original.type == "MINUS" and not (before and before[-1].operand)
        word = replace(original, type="NEGATIVE") if negative else original
        leaf = Leaf(word, _space(before, word, open[-1][0].type if open else ""))
        before.append(word)
        if word.type in OPENING:
            open.append((leaf, elements))
            elements = []
        elif word.type in CLOSING:
            opener, outer = open.pop()
            outer.append(Enclosed(opener, _inside(elements) if elements else None, leaf))
            elements = outer
        else:
            elements.append(leaf)
    assert not open
    return elements


def _space(before: Sequence[Word], word: Word, bracket: str) -> bool:
    """Whether a space separates the last of `before` from `word` inside an open `bracket`."""
    if not before:
        return False
    last = before[-1]
    types = {last.type, word.type}
    if (
        types & {"DOT", "POWER"}
        or last.type in ("AT", "NEGATIVE", *OPENING)
        or word.type in ("COMMA", "COLON", *CLOSING)
    ):
        return False
    if "EQUALS" in types:
        return not bracket
    if last.type == "COLON":
        return bracket != "LSQB"
    if word.type in OPENING:
        annotation = len(before) > 1 and before[-2].type == "AT"
        return not last.operand and not annotation
    return True


def _inside(elements: list[Element]) -> Doc:
    """The contents of a bracket, broken at the separators of lowest precedence first."""
    parts = _split(elements, lambda at: elements[at - 1].type == "COMMA")
    if len(parts) > 1:
        return Fill(tuple(map(_inside, parts)))
    if len(elements) > 2 and elements[1].type == "EQUALS":
        return Glued((*elements[:2], _inside(elements[2:])))
    for level in LEVELS:
        parts = _split(elements, partial(_begins, elements, level))
        if len(parts) > 1:
            return Fill(tuple(map(_inside, parts)))
    return _pipes(elements)


def _begins(elements: list[Element], types: Sequence[str], at: int) -> bool:
    return elements[at].type in types


def _split(elements: list[Element], starts: Callable[[int], bool]) -> list[list[Element]]:
    """The elements in groups; `starts` decides whether an element, except the first, starts a new one."""
    cuts = [0, *(at for at in range(1, len(elements)) if starts(at)), len(elements)]
    return [elements[start:end] for start, end in pairwise(cuts)]


def _pipes(elements: list[Element]) -> Doc:
    """Elements outside brackets, where only pipes may be broken, before each `|>`."""
    pipes = [at for at, element in enumerate(elements) if element.type == "_PIPE"]
    found: list[Doc] = []
    done = 0
    while pipes:
        run = _run(elements, pipes)
        start, end = _start(elements, run[0], done), _end(elements, run[-1])
        stages = [elements[a:b] for a, b in zip([start, *run], [*run, end], strict=True)]
        found += [*elements[done:start], Fill(tuple(map(_sequence, stages)))]
        done, pipes = end, pipes[len(run) :]
    found += elements[done:]
    return _sequence(found)


def _sequence(docs: Sequence[Doc]) -> Doc:
    return docs[0] if len(docs) == 1 else Glued(tuple(docs))


def _run(elements: list[Element], pipes: list[int]) -> list[int]:
    """The positions of the first `|>` and the following ones of the same pipe."""
    run = pipes[:1]
    for at in pipes[1:]:
        if _end(elements, run[-1]) != at:
            break
        run.append(at)
    return run


def _start(elements: list[Element], pipe: int, least: int) -> int:
    """The start of the first value of a pipe: after the last space."""
    at = max(pipe - 1, least)
    while at > least and not elements[at].space:
        at -= 1
    return at


def _end(elements: list[Element], pipe: int) -> int:
    """The end of the stage after a `|>`: its name and arguments."""
    at = min(pipe + 2, len(elements))
    while at < len(elements) and isinstance(elements[at], Enclosed) and not elements[at].space:
        at += 1
    return at
