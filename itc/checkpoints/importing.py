"""A file's tensors under a net's keys: names and shapes in, pairs and what has none on either side out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from itc.checkpoints.alignment import Aligned, Pair, align
from itc.checkpoints.layers import IGNORED, Layer, layers, tree
from itc.diagnostics import CompileError, Diagnostic, fail
from itc.ir.net import Net
from itc.ir.op import Array
from itc.tensor_files import shapes
from itc.weights import as_float32, initial

#: Layers of each side that are named where they have no partner.
MAX_FAULTS = 100


@dataclass(frozen=True)
class Imported:
    """The weights of a net from a file, and how they were found.

    `keys` maps the file's names to the net's; `unused` are the file's layers without a partner, `missing` the net's,
    which have fresh values; `ignored` are names that mean nothing here; `by_name` are modules of the file in which more
    than one order fits the shapes, so that the words in the names decided.
    """

    weights: dict[str, Array]
    keys: dict[str, str]
    unused: tuple[Layer, ...]
    missing: tuple[Layer, ...]
    ignored: tuple[str, ...]
    by_name: tuple[str, ...]

    def json(self) -> dict[str, Any]:
        """The result as JSON-ready values; the keys are in docs/json.md."""
        return {
            "mapped": self.keys,
            "unused": [key for layer in self.unused for key in layer.keys.values()],
            "missing": [key for layer in self.missing for key in layer.keys.values()],
            "ignored": list(self.ignored),
            "by_name": list(self.by_name),
        }


def import_weights(
    found: Mapping[str, Array],
    net: Net,
    name: str,
    pairs: Mapping[str, str] | None = None,
    partial: bool = False,
    seed: int = 0,
) -> Imported:
    """The tensors `found` in the file `name`, as weights of `net`.

    `pairs` are layers (theirs, ours) that are set by hand. Raises CompileError: E0652 for layers without a partner, all
    named, unless `partial`; E0653 where names and shapes leave a choice; E0654 for a pair that cannot be; E0614 and
    E0615 for values that are no finite floats.
    """
    ignored = tuple(key for key in found if key.rpartition(".")[2] == IGNORED)
    theirs = layers({key: shape for key, shape in shapes(found).items() if key.rpartition(".")[2] != IGNORED})
    ours = layers({param.key: param.shape for param in net.params})
    fixed = _same_keys(theirs, ours) or _by_hand(theirs, ours, pairs or {})
    taken = {id(layer) for pair in fixed for layer in pair}
    free, open_ = ([layer for layer in side if id(layer) not in taken] for side in (theirs, ours))
    aligned = align(tree(free), open_) if free and open_ else Aligned()
    if aligned.ties:
        raise _ambiguous(aligned.ties, name)
    keys = dict(_tensors((*fixed, *aligned.pairs)))
    unused = tuple(layer for layer in theirs if not keys.keys() & set(layer.keys.values()))
    missing = tuple(layer for layer in ours if not set(keys.values()) & set(layer.keys.values()))
    if (unused or missing) and not (partial and keys):
        raise CompileError(_without_partner(unused, missing, name, net.name))
    values = as_float32({own: found[key] for key, own in keys.items()}, name)
    fresh = initial(replace(net, params=tuple(param for param in net.params if param.key not in values)), seed)
    weights = {param.key: (values if param.key in values else fresh)[param.key] for param in net.params}
    return Imported(weights, keys, unused, missing, ignored, aligned.by_name)


def _tensors(pairs: Iterable[Pair]) -> Iterable[tuple[str, str]]:
    return ((key, own.keys[part]) for their, own in pairs for part, key in their.keys.items())


def _same_keys(theirs: list[Layer], ours: list[Layer]) -> tuple[Pair, ...]:
    """All of ours with their namesakes, if the file has the net's own keys and shapes."""
    named = {layer.path: layer for layer in theirs}
    pairs = tuple((named[own.path], own) for own in ours if named.get(own.path) == own)
    return pairs if len(pairs) == len(ours) else ()


def _by_hand(theirs: list[Layer], ours: list[Layer], wanted: Mapping[str, str]) -> tuple[Pair, ...]:
    """The pairs that are set. Raises CompileError (E0654) for each that is not of two layers of the same shapes."""
    sides = {layer.path: layer for layer in theirs}, {layer.path: layer for layer in ours}
    faults, pairs = [], []
    for their, own in wanted.items():
        first, second = sides[0].get(their), sides[1].get(own)
        if first is None or second is None:
            side, unknown = ("file", their) if first is None else ("net", own)
            help = "a layer is what is before the last dot of a tensor's name; see `itc weights list`"
            faults.append(Diagnostic("E0654", f"--pair: the {side} has no layer {unknown}", help=help))
        elif first.signature != second.signature:
            faults.append(Diagnostic("E0654", f"--pair: {first} is not of the shapes of {second}"))
        else:
            pairs.append((first, second))
    if len({id(own) for _, own in pairs}) < len(pairs):
        faults.append(Diagnostic("E0654", "--pair: a layer of the net is named twice"))
    if faults:
        raise CompileError(faults)
    return tuple(pairs)


def _ambiguous(ties: tuple[str, ...], name: str) -> CompileError:
    where = ", ".join(dict.fromkeys(tie or "its first names" for tie in ties))
    help = "say which is which: --pair THEIRS=OURS, of layers, as often as needed; `itc weights list` has ours"
    return fail("E0653", f"{name}: names and shapes leave more than one order in {where}", help=help)


def _without_partner(
    unused: tuple[Layer, ...], missing: tuple[Layer, ...], name: str, net: str
) -> Iterable[Diagnostic]:
    faults = [Diagnostic("E0652", f"{name} has nothing for {layer} of {net}") for layer in missing[:MAX_FAULTS]]
    faults += [Diagnostic("E0652", f"{net} has no place for {layer} of {name}") for layer in unused[:MAX_FAULTS]]
    if left := max(0, len(missing) - MAX_FAULTS) + max(0, len(unused) - MAX_FAULTS):
        faults.append(Diagnostic("E0652", f"{left:,} more layers have no partner"))
    help = "--partial takes what fits and leaves the rest of the network with fresh weights"
    last = faults.pop()
    return [*faults, Diagnostic(last.code, last.message, help=help)]
