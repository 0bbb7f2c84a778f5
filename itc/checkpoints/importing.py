"""Imports a file's tensors as weights of a net: pairs of layers with reasons, and unmatched layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from itc.checkpoints import faults
from itc.checkpoints.alignment import Aligned, align
from itc.checkpoints.dataflow import Dataflow, dataflow
from itc.checkpoints.evidence import judge
from itc.checkpoints.layers import IGNORED, Layer, layers, tree
from itc.checkpoints.layouts import Tensors, as_found, laid_out, rotated
from itc.checkpoints.matching import Matching, Pair
from itc.checkpoints.pairing import Wanted, by_hand, wanted, with_stacks
from itc.diagnostics import CompileError, Diagnostic, fail
from itc.ir.net import Net, applies
from itc.ir.op import Array
from itc.ir.ops.position import Rope
from itc.tensor_files import shapes
from itc.weights import as_float32, initial


@dataclass(frozen=True)
class Imported:
    """The weights of a net from a file, and their provenance.

    `pairs` are layers of the file and of the net with the reasons, and `sources` gives for each of the net's keys
    its source tensors in the file. `keys` maps the file's names to the net's, for tensors used once, alone or in a
    stack. `unused` are the file's layers without a partner, `missing` the net's, which have initial values; `ignored`
    are tensors without a meaning here; `by_name` are modules of the file whose order was decided by names, not shapes.
    """

    weights: dict[str, Array]
    keys: dict[str, str]
    unused: tuple[Layer, ...]
    missing: tuple[Layer, ...]
    ignored: tuple[str, ...]
    by_name: tuple[str, ...]
    pairs: tuple[tuple[Layer, Layer, tuple[str, ...]], ...] = ()
    sources: Mapping[str, tuple[str, ...]] | None = None

    def json(self) -> dict[str, Any]:
        """The result as JSON-ready values; the keys are in docs/json.md."""
        parts: dict[str, list[str]] = {}
        for own, sources in (self.sources or {}).items():
            for key in sources:
                parts.setdefault(key, []).append(own)
        return {
            "mapped": {key: owns[0] if len(owns) == 1 else owns for key, owns in parts.items()},
            "pairs": [
                {"theirs": their.path, "ours": own.path, "why": list(reasons)} for their, own, reasons in self.pairs
            ],
            "unused": [key for layer in self.unused for key in layer.keys.values()],
            "missing": [key for layer in self.missing for key in layer.keys.values()],
            "ignored": list(self.ignored),
            "by_name": list(self.by_name),
        }


def import_weights(
    found: Mapping[str, Array],
    net: Net,
    name: str,
    pairs: Mapping[str, str] | Iterable[str] | None = None,
    partial: bool = False,
    seed: int = 0,
    interleaved_rope: bool = False,
    in_order: bool = False,
) -> Imported:
    """The tensors `found` in the file `name`, as weights of `net`.

    `pairs` are layers (theirs, ours) assigned by hand, or texts `THEIRS=OURS`; both may be patterns. With
    `interleaved_rope`, the file's rotary embeddings rotate neighbouring channels, and queries and keys are permuted.
    With `in_order`, numbers in the file's names follow the order of execution.

    Raises CompileError: E0652 for layers without a partner, unless `partial`; E0653 for ambiguous layers; E0654 and
    E0655 for pairs that are invalid or without effect; E0658 if there is nothing to permute; E0614 and E0615 for values
    that are not finite floats.
    """
    by_pair = wanted(pairs or ())
    ignored = tuple(key for key in found if key.rpartition(".")[2] == IGNORED)
    left = {key: shape for key, shape in shapes(found).items() if key.rpartition(".")[2] != IGNORED}
    tensors = laid_out(with_stacks(as_found(left), by_pair), net)
    theirs = layers({key: tensor.shape for key, tensor in tensors.items()})
    ours = layers({param.key: param.shape for param in net.params})
    matched = _matched(theirs, ours, by_pair, dataflow(net, ours), name, in_order)
    taken = {id(layer) for their, own, _ in matched.pairs for layer in (their, own)}
    unused, missing = (tuple(layer for layer in side if id(layer) not in taken) for side in (theirs, ours))
    if (unused or missing) and not (partial and matched.pairs):
        raise faults.without_partner(unused, missing, name, net.name, (len(theirs), len(ours)))
    if matched.undecided:
        raise matched.undecided
    keys = {own.keys[part]: key for their, own, _ in matched.pairs for part, key in their.keys.items()}
    values = _values(found, tensors, keys, name)
    if interleaved_rope:
        _permute(values, net)
    fresh = initial(replace(net, params=tuple(param for param in net.params if param.key not in values)), seed)
    weights = {param.key: (values if param.key in values else fresh)[param.key] for param in net.params}
    sources = {own: tensors[key].sources for own, key in keys.items()}
    explained = tuple(_explained(pair, tensors) for pair in matched.pairs)
    return Imported(weights, _renamed(sources), unused, missing, ignored, matched.by_name, explained, sources)


@dataclass(frozen=True)
class _Matched:
    pairs: tuple[tuple[Layer, Layer, tuple[str, ...]], ...]
    by_name: tuple[str, ...] = ()
    undecided: CompileError | None = None


def _matched(
    theirs: Sequence[Layer], ours: Sequence[Layer], by_pair: Sequence[Wanted], flow: Dataflow, name: str, in_order: bool
) -> _Matched:
    """The matching: pairs by hand, by equal names, and by evidence."""
    hand = by_hand(theirs, ours, by_pair)
    taken = {id(layer) for pair in hand for layer in pair}
    open_ = [[layer for layer in side if id(layer) not in taken] for side in (theirs, ours)]
    own = _same_names(open_[0], open_[1])
    if not open_[1] or own:
        _without_effect(hand, theirs, ours)
    taken |= {id(layer) for pair in own for layer in pair}
    free, left = ([layer for layer in side if id(layer) not in taken] for side in open_)
    aligned = align(tree(free), left) if free and left else Aligned()
    taken |= {id(layer) for pair in aligned.pairs for layer in pair}
    unused, missing = ([layer for layer in side if id(layer) not in taken] for side in (free, left))
    matching = Matching(aligned.pairs, (*hand, *own), unused, missing, {layer.path: i for i, layer in enumerate(ours)})
    judged = judge(matching, flow, in_order)
    reasons = dict(judged.reasons)
    reasons |= {their.path: ("--pair",) for their, _ in hand}
    reasons |= {their.path: ("its own name",) for their, _ in own}
    pairs = tuple((their, mine, reasons[their.path]) for their, mine in (*hand, *own, *aligned.pairs))
    ordered = tuple(sorted(pairs, key=lambda pair: matching.index[pair[1].path]))
    if not judged.undecided:
        return _Matched(ordered, judged.by_name)
    still = judged.undecided if in_order else judge(matching, flow, in_order=True).undecided
    return _Matched(ordered, judged.by_name, faults.undecided(judged.undecided, still, name))


def _same_names(theirs: Sequence[Layer], ours: Sequence[Layer]) -> tuple[Pair, ...]:
    """Layers of equal names and shapes, if they are all layers of one side: then the file has the net's own keys."""
    named = {layer.path: layer for layer in theirs}
    pairs = tuple((named[own.path], own) for own in ours if named.get(own.path) == own)
    return pairs if pairs and len(pairs) in (len(theirs), len(ours)) else ()


def _without_effect(hand: Sequence[Pair], theirs: Sequence[Layer], ours: Sequence[Layer]) -> None:
    """Raises CompileError (E0655) for pairs of namesakes, if the file has the net's own keys."""
    if len(_same_names(theirs, ours)) < len(hand):
        return
    same = [their.path for their, own in hand if their.path == own.path]
    if same:
        raise CompileError(
            Diagnostic("E0655", f"--pair {path}={path} has no effect: the file has the network's own keys")
            for path in same
        )


def _values(found: Mapping[str, Array], tensors: Tensors, keys: Mapping[str, str], name: str) -> dict[str, Array]:
    """The net's tensors, checked to be finite floats."""
    used = {source: found[source] for key in keys.values() for source in tensors[key].sources}
    numbers = as_float32(used, name)
    return {own: tensors[key].value(numbers) for own, key in keys.items()}


def _renamed(sources: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The net's key for each of the file's keys that is used in only one."""
    owns: dict[str, list[str]] = {}
    for own, keys in sources.items():
        for key in keys:
            owns.setdefault(key, []).append(own)
    return {key: mine[0] for key, mine in owns.items() if len(mine) == 1}


def _explained(pair: tuple[Layer, Layer, tuple[str, ...]], tensors: Tensors) -> tuple[Layer, Layer, tuple[str, ...]]:
    """The pair with its reasons and layout conversions."""
    their, own, reasons = pair
    layout = dict.fromkeys(tensors[key].why for key in their.keys.values() if tensors[key].why)
    return their, own, (*reasons, *layout)


def _permute(values: dict[str, Array], net: Net) -> None:
    """Permutes the rows of the layers before `rope`. Raises CompileError (E0658) if there are none."""
    before = {apply.results[0].name: apply for apply in applies(net.body)}
    turned: dict[str, int] = {}
    for apply in applies(net.body):
        if isinstance(apply.op, Rope):
            source = before.get(apply.values[0].name)
            turned |= {ref.key: apply.op.heads for ref in (source.refs if source else ())}
    done = [key for key in turned if key in values]
    for key in done:
        values[key] = rotated(values[key], len(net.param[key].sets), turned[key])
    if not done:
        help = "it permutes the layers before `rope`"
        raise fail("E0658", f"--rope interleaved has no effect: {net.name} has no such layer from the file", help=help)
