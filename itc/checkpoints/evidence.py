"""Judges a proposed assignment of layers: gives evidence for each pair, and groups of layers without evidence.

Layers of different shapes cannot be exchanged. Between two layers of equal shapes, one of these rules must decide:

- *names*: a word, not a number, common to a layer and its partner, but not to the other layer's partner;
- *list*, *class*, *number*: the rules of `relations.py` for items of lists, for modules with equal
  names inside, and of neighbours with the same number;
- *module*: layers of a module are contiguous in the net, not separated by layers known to belong to another module.

Numbers in names (`conv1`, `w2`) are not evidence: authors number in order of execution, of definition, or
from fine to coarse. The proposal is accepted if every other assignment contradicts a rule. The rules rest on
conventions: a file may break one without any difference in names and shapes, for example a partly reversed list;
only values reveal this (`--check`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from itc.checkpoints.cycles import components, without_loss
from itc.checkpoints.dataflow import Dataflow
from itc.checkpoints.extents import Extents
from itc.checkpoints.layers import Layer, Signature
from itc.checkpoints.matching import Matching, Pair, parting
from itc.checkpoints.relations import Relations

#: Maximum number of layers of one shape compared pairwise.
MAX_CLASS = 1500
#: The reason for a layer assigned by elimination.
REST = "the last one of its shapes"


@dataclass(frozen=True)
class Undecided:
    """An ambiguous group: layers of the file, and layers of the net to which each of them may belong."""

    theirs: tuple[Layer, ...]
    ours: tuple[Layer, ...]


@dataclass(frozen=True)
class Judged:
    """The reasons of each pair, by the file's path; undecided groups; modules decided by names."""

    reasons: Mapping[str, tuple[str, ...]]
    undecided: tuple[Undecided, ...]
    by_name: tuple[str, ...]


def judge(matching: Matching, flow: Dataflow, in_order: bool = False) -> Judged:
    """Judges the pairs of a matching. With `in_order`, numbers in the file's names count in order of execution."""
    return _Judge(matching, Relations(matching, flow, in_order)).judged()


@dataclass(eq=False)
class _Judge:
    matching: Matching
    relations: Relations
    reasons: dict[str, list[str]] = field(default_factory=dict)
    by_name: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.extents = Extents(self.matching, frozenset(their.path for their, _ in self.matching.fixed))

    def judged(self) -> Judged:
        """Iterates to a fixed point, since decided layers are evidence for others."""
        classes: dict[Signature, list[Pair]] = {}
        for pair in self.matching.pairs:
            classes.setdefault(pair[0].signature, []).append(pair)
        undecided: list[Undecided] = []
        open_ = list(classes)
        while True:
            undecided = [group for signature in open_ for group in self._class(signature, classes[signature])]
            doubtful = {layer.path for group in undecided for layer in group.theirs}
            certain = frozenset(their.path for their, _ in self.matching.both if their.path not in doubtful)
            if not undecided or certain == self.extents.certain:
                break
            self.extents = Extents(self.matching, certain)
            open_ = [s for s in open_ if any(their.path in doubtful for their, _ in classes[s])]
        reasons = {path: tuple(dict.fromkeys(found)) or (REST,) for path, found in self.reasons.items()}
        return Judged(reasons, tuple(undecided), tuple(dict.fromkeys(self.by_name)))

    def _class(self, signature: Signature, pairs: list[Pair]) -> list[Undecided]:
        """The groups of one shape whose layers could be exchanged."""
        spare = [layer for layer in self.matching.unused if layer.signature == signature]
        empty = [layer for layer in self.matching.missing if layer.signature == signature]
        for their, _ in pairs:
            self.reasons[their.path] = []
        if len(pairs) + len(spare) + len(empty) > MAX_CLASS:
            return [Undecided((*(t for t, _ in pairs), *spare), (*(o for _, o in pairs), *empty))]
        edges: list[list[int]] = [[] for _ in pairs]
        rivals: set[int] = set()
        for i, pair in enumerate(pairs):
            edges[i] = [j for j, other in enumerate(pairs) if i != j and self._open(pair, other)]
            if any(self._fits_better(layer, pair) for layer in spare):
                rivals.add(i)
            if any(self._goes_elsewhere(pair, layer) for layer in empty):
                rivals.add(i)
        groups = [part for group in components(edges) if len(group) > 1 for part in self._nameless(group, edges, pairs)]
        alone = sorted(rivals - {i for group in groups for i in group})
        out = [Undecided(tuple(pairs[i][0] for i in g), tuple(pairs[i][1] for i in g)) for g in groups]
        if alone:
            out.append(Undecided((*(pairs[i][0] for i in alone), *spare), (*(pairs[i][1] for i in alone), *empty)))
        if not (len(pairs) > 1 or spare or empty):
            self.reasons[pairs[0][0].path].append("the only one of its shapes")
        return out

    def _open(self, pair: Pair, other: Pair) -> bool:
        """Whether the layer of the first pair could be assigned to the layer of the second."""
        reason = self.relations.tell(pair, other)
        if not reason and self.extents.outside(pair[0], other):
            reason = f"layers of {self.extents.branch(pair[0], other[0])} stay together"
        if reason:
            self._because(pair, reason)
            return False
        return True

    def _nameless(self, group: list[int], edges: Sequence[Sequence[int]], pairs: list[Pair]) -> list[list[int]]:
        """The parts of a group that can be exchanged without losing common words."""
        inside = set(group)
        gains = {(i, j): self._gain(pairs[i], pairs[j]) for i in group for j in edges[i] if j in inside}
        if any(gain > 0 for gain in gains.values()):
            if without_loss(group, gains):
                return [group]
            left: list[list[int]] = []
        else:
            kept = [
                [j for j in edges[i] if gains.get((i, j), -1) == 0] if i in inside else [] for i in range(len(edges))
            ]
            left = [part for part in components(kept) if len(part) > 1]
        together = {(i, j) for part in left for i in part for j in part}
        for i, j in gains:
            if (i, j) not in together:
                self._named(pairs[i], pairs[j])
        return left

    def _named(self, pair: Pair, other: Pair) -> None:
        words = (pair[0].words & pair[1].words) - other[1].words
        if words:
            self._because(pair, f"names: {', '.join(sorted(words))}")
        else:
            self._because(pair, f"names: {other[0].path} has more words in common with {other[1].path}")
        at = parting(pair[0], other[0])
        self.by_name.append(".".join(pair[0].names[:at]) or pair[0].names[0])

    def _because(self, pair: Pair, reason: str) -> None:
        self.reasons[pair[0].path].append(reason)

    @staticmethod
    def _gain(pair: Pair, other: Pair) -> int:
        """The gain in common words if the layer of the first pair is assigned to the layer of the second."""
        return len(pair[0].words & other[1].words) - len(pair[0].words & pair[1].words)

    def _fits_better(self, spare: Layer, pair: Pair) -> bool:
        """Whether an unpaired layer of the file could replace a paired one."""
        if len(spare.words & pair[1].words) < len(pair[0].words & pair[1].words):
            self._because(pair, f"names: {', '.join(sorted((pair[0].words & pair[1].words) - spare.words))}")
            return False
        if self.extents.outside(spare, pair):
            self._because(pair, f"layers of {self.extents.branch(spare, pair[0])} stay together")
            return False
        return True

    def _goes_elsewhere(self, pair: Pair, empty: Layer) -> bool:
        """Whether a paired layer of the file could be assigned to an unpaired one of the net."""
        if len(pair[0].words & empty.words) < len(pair[0].words & pair[1].words):
            self._because(pair, f"names: {', '.join(sorted((pair[0].words & pair[1].words) - empty.words))}")
            return False
        if self.extents.beyond(pair[0], len(pair[0].names), self.matching.index[empty.path]):
            self._because(pair, f"layers of {'.'.join(pair[0].names[:-1])} stay together")
            return False
        return True
