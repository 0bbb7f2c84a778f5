"""Parses `--pair` options into pairs of layers and stacks of tensors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from itc.checkpoints.layers import PARTS, Layer
from itc.checkpoints.layouts import Tensors, stacked
from itc.diagnostics import CompileError, Diagnostic, fail

LAYER = "a layer is the part of a tensor's name before the last dot; see `itc weights list`"
#: The suffix of a layer of the net whose sets are assigned.
SETS = re.compile(r"(.*?)\[\*\]", re.DOTALL)


@dataclass(frozen=True)
class Wanted:
    """One `--pair`: names of layers, in which a `*` matches any text without a dot, the same on both sides.

    `ours` with the suffix `[*]` takes the layers of the file as its sets, ordered by their numbers.
    """

    theirs: str
    ours: str

    @property
    def text(self) -> str:
        return f"{self.theirs}={self.ours}"

    @property
    def sets(self) -> str:
        """The layer whose sets are assigned, or nothing."""
        match = SETS.fullmatch(self.ours)
        return match[1] if match else ""

    def match(self, name: str) -> tuple[str, ...] | None:
        pattern = r"([^.]*)".join(map(re.escape, self.theirs.split("*")))
        found = re.fullmatch(pattern, name, re.DOTALL)
        return found.groups() if found else None

    def partner(self, texts: Sequence[str]) -> str:
        """The name of ours for the texts matched by the `*` of theirs."""
        first, *rest = self.ours.split("*")
        return first + "".join(text + part for text, part in zip(texts, rest, strict=True))


def wanted(texts: Iterable[str] | Mapping[str, str]) -> tuple[Wanted, ...]:
    """The pairs of texts `THEIRS=OURS`. Raises CompileError (E0654, E0655) for invalid or duplicate ones."""
    if isinstance(texts, Mapping):
        texts = [f"{their}={own}" for their, own in texts.items()]
    out: list[Wanted] = []
    faults = []
    for text in texts:
        theirs, _, ours = text.partition("=")
        pair = Wanted(theirs, ours)
        if not (theirs and ours) or "=" in ours:
            help = "for example: --pair fc=classify.linear"
            faults.append(Diagnostic("E0654", f"--pair must be THEIRS=OURS, not {text}", help=help))
        elif ours.count("*") not in (0, theirs.count("*")):
            help = "a `*` matches the same text on both sides; `[*]` after a layer of the net stands for its sets"
            faults.append(
                Diagnostic("E0654", f"--pair {text} has different numbers of `*` on the two sides", help=help)
            )
        elif pair in out:
            faults.append(Diagnostic("E0655", f"--pair {text} is repeated"))
        else:
            out.append(pair)
    if faults:
        raise CompileError(faults)
    return tuple(out)


def with_stacks(tensors: Tensors, pairs: Sequence[Wanted]) -> Tensors:
    """The tensors after pairs of layers with sets. Raises CompileError (E0654) for gaps in the numbers."""
    out = dict(tensors)
    for pair in pairs:
        if pair.sets:
            _stack(out, pair)
    return out


def _stack(tensors: Tensors, pair: Wanted) -> None:
    if pair.theirs.count("*") != 1:
        raise fail("E0654", f"--pair {pair.text} needs one `*` on the left, for the number of the set")
    groups: dict[str, dict[int, str]] = {}
    for key in tensors:
        path, _, part = key.rpartition(".")
        names = pair.match(path) if part in PARTS else None
        names, part = (names, part) if names is not None else (pair.match(key), "")
        if names is None:
            continue
        if not (names[0].isdecimal() and len(names[0]) < 7):
            raise fail("E0654", f"--pair {pair.text}: {key} has no number at the `*`", help=LAYER)
        groups.setdefault(part, {})[int(names[0])] = key
    for part, items in groups.items():
        numbers = sorted(items)
        parts = [tensors[items[number]] for number in numbers]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or numbers[0] > 1:
            raise fail("E0654", f"--pair {pair.text}: the numbers of {pair.theirs} in the file are not consecutive")
        if any(tensor.shape != parts[0].shape for tensor in parts):
            raise fail("E0654", f"--pair {pair.text}: {pair.theirs} in the file have different shapes")
        for key in items.values():
            del tensors[key]
        name = f"{pair.theirs}.{part}" if part else pair.theirs
        tensors[name] = stacked(parts, f"{len(parts)} layers as sets, by --pair")


def by_hand(theirs: Sequence[Layer], ours: Sequence[Layer], pairs: Sequence[Wanted]) -> tuple[tuple[Layer, Layer], ...]:
    """The pairs of layers set by hand. Raises CompileError (E0654) for each invalid one."""
    out: list[tuple[Layer, Layer]] = []
    faults: list[Diagnostic] = []
    named = {layer.path: layer for layer in theirs}, {layer.path: layer for layer in ours}
    for pair in pairs:
        hits = _hits(pair, named[0])
        if not hits:
            faults.append(Diagnostic("E0654", f"--pair: the file has no layer {pair.theirs}", help=LAYER))
            if pair.ours not in named[1] and "*" not in pair.ours:
                faults.append(Diagnostic("E0654", f"--pair: the net has no layer {pair.ours}", help=LAYER))
        for their, own in hits:
            second = named[1].get(own)
            if second is None:
                faults.append(Diagnostic("E0654", f"--pair: the net has no layer {own}", help=LAYER))
            elif their.signature != second.signature:
                faults.append(Diagnostic("E0654", f"--pair: the shapes of {their} differ from those of {second}"))
            else:
                out.append((their, second))
    faults += _contradictions(out)
    if faults:
        raise CompileError(faults)
    return tuple(out)


def _hits(pair: Wanted, named: Mapping[str, Layer]) -> list[tuple[Layer, str]]:
    """The layers of the file matched by a pair, each with the name of ours."""
    if pair.sets or "*" not in pair.theirs:
        layer = named.get(pair.theirs)
        return [(layer, pair.sets or pair.ours)] if layer else []
    matches = [(layer, pair.match(path)) for path, layer in named.items()]
    star = "*" in pair.ours
    return [(layer, pair.partner(texts) if star else pair.ours) for layer, texts in matches if texts is not None]


def _contradictions(pairs: Sequence[tuple[Layer, Layer]]) -> list[Diagnostic]:
    faults = []
    for side, word in ((0, "file"), (1, "net")):
        seen: dict[str, tuple[Layer, Layer]] = {}
        for pair in pairs:
            before = seen.setdefault(pair[side].path, pair)
            if before is not pair:
                others = f"{before[1 - side].path} and {pair[1 - side].path}"
                faults.append(
                    Diagnostic("E0654", f"--pair: the {word}'s {pair[side].path} is in two pairs, with {others}")
                )
    return faults
