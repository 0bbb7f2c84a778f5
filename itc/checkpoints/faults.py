"""Diagnostics of a refused import: layers without a partner, and ambiguous layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

from itc.checkpoints.evidence import Undecided
from itc.checkpoints.layers import NUMBER, Layer
from itc.diagnostics import CompileError, Diagnostic, shortened

#: Maximum number of groups and layers listed.
MOST, MOST_IN_GROUP = 6, 12
PARTIAL = "--partial imports the matching layers and leaves the others with initial weights"
IN_ORDER = "or, if all numbers in the file's names follow the order of execution: --in-order"
#: Text that needs no quotes in a shell.
PLAIN = re.compile(r"[\w.=/-]+")


def undecided(groups: Sequence[Undecided], still: Sequence[Undecided], name: str) -> CompileError:
    """E0653 for each ambiguous group of layers; groups that differ only in numbers are merged.

    `still` are the groups that remain with `in_order`.
    """
    open_ = {layer.path for group in still for layer in group.theirs}
    kinds: dict[tuple[str, ...], list[Undecided]] = {}
    for group in groups:
        key = tuple(NUMBER.sub("#", layer.path) for layer in (*group.theirs, *group.ours))
        kinds.setdefault(key, []).append(group)
    faults = [_undecided(kind, open_, name) for kind in list(kinds.values())[:MOST]]
    if len(kinds) > MOST:
        faults.append(Diagnostic("E0653", f"{name}: {len(kinds) - MOST} more groups of layers are ambiguous"))
    return CompileError(faults)


def _undecided(kind: Sequence[Undecided], still: set[str], name: str) -> Diagnostic:
    group, more = kind[0], len(kind) - 1
    theirs, ours = ([layer.path for layer in side] for side in (group.theirs, group.ours))
    like = f" (and {more} more groups like it)" if more else ""
    message = f"{name}: ambiguous assignment of {shortened(theirs)} to {shortened(ours)}{like}"
    edits = [_edit(their, own) for their, own in zip(theirs, ours, strict=False)]
    rest = f"\n... and {len(edits) - MOST_IN_GROUP} more" if len(edits) > MOST_IN_GROUP else ""
    numbers = [] if still & set(theirs) else [IN_ORDER]
    lines = [
        "shapes match in every order, and numbers are not evidence; the source code of the file decides.",
        "Assign each layer; if the order is this one:",
        " ".join(edits[:MOST_IN_GROUP]) + rest,
        *numbers,
        "--check FILE.npz, with inputs and outputs of that code, verifies the result",
    ]
    return Diagnostic("E0653", message, help="\n".join(lines))


def _edit(their: str, own: str) -> str:
    pair = f"{their}={own}"
    return f"--pair {pair}" if PLAIN.fullmatch(pair) else f"--pair '{pair}'"


def without_partner(
    unused: Sequence[Layer], missing: Sequence[Layer], name: str, net: str, sizes: tuple[int, int]
) -> CompileError:
    """E0652: first layers that differ from one of the other side in a size or a part, then the others.

    `sizes` are the numbers of layers of the file and the net.
    """
    near = _near(unused, missing)
    faults = [Diagnostic("E0652", _difference(their, own, name, net)) for their, own in near[:MOST]]
    if len(near) > MOST:
        faults.append(
            Diagnostic("E0652", f"{len(near) - MOST} more layers of {name} differ slightly from one of {net}")
        )
    taken = {id(layer) for pair in near for layer in pair}
    gone, over = ([layer for layer in side if id(layer) not in taken] for side in (missing, unused))
    if gone:
        what = f"{len(gone)} layers" if len(gone) > 1 else "a layer"
        faults.append(Diagnostic("E0652", f"{name} has no partner for {what} of {net}: {_listed(gone)}"))
    if over:
        what = f"{len(over)} layers" if len(over) > 1 else "a layer"
        faults.append(Diagnostic("E0652", f"{net} has no partner for {what} of {name}: {_listed(over)}"))
    last = faults.pop()
    cause = f"{name} has {sizes[0]} layers, {net} has {sizes[1]}\n" if sizes[0] != sizes[1] else ""
    return CompileError([*faults, Diagnostic(last.code, last.message, help=cause + PARTIAL)])


def _listed(layers: Sequence[Layer]) -> str:
    return shortened((str(layer) for layer in layers), MOST)


def _near(unused: Sequence[Layer], missing: Sequence[Layer]) -> list[tuple[Layer, Layer]]:
    """Layers of both sides that differ in one size or in a missing part, each with the one of the most similar name."""
    if len(unused) * len(missing) > 20_000:
        return []
    out, left = [], list(unused)
    for own in missing:
        choices = [layer for layer in left if _one_difference(layer, own)]
        if choices:
            best = max(choices, key=lambda layer: _likeness(layer, own))
            left.remove(best)
            out.append((best, own))
    return out


def _likeness(their: Layer, own: Layer) -> tuple[int, float]:
    return len(their.words & own.words), SequenceMatcher(None, their.path, own.path).ratio()


def _one_difference(their: Layer, own: Layer) -> bool:
    one, two = dict(their.signature), dict(own.signature)
    same = one.keys() & two.keys()
    if one.keys() != two.keys():
        return bool(same) and one.keys() ^ two.keys() <= {"bias"} and all(one[part] == two[part] for part in same)
    differing = {
        (a, b)
        for part in same
        if len(one[part]) == len(two[part])
        for a, b in zip(one[part], two[part], strict=True)
        if a != b
    }
    return all(len(one[part]) == len(two[part]) for part in same) and len(differing) == 1


def _difference(their: Layer, own: Layer, name: str, net: str) -> str:
    one, two = dict(their.signature), dict(own.signature)
    if "bias" in one.keys() ^ two.keys():
        has, lacks = (f"{their.path} of {name}", f"{own.path} of {net}")
        if "bias" in two:
            has, lacks = lacks, has
        return f"{has} has a bias, {lacks} has none"
    return f"the shapes of {their} of {name} differ from those of {own} of {net}"
