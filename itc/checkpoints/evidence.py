"""Which pairs of a proposal have evidence: pairs of layers in, a reason for each and the groups that nothing decides out.

Layers of different shapes cannot be mistaken. Of two layers of one shape, one of these has to say which is which:

- *names*: a word, not a number, that one of them has in common with its partner and not with the other's;
- *list*: items `0`, `1`, ... of a module count in order of execution, if the net runs them one after the other (all that
  reaches an item has passed through the one before), at one size of map or with nothing that goes round, and no list
  of such a name is in another order. Items that are single layers count only where shapes show that they count so;
- *class*: modules whose paths differ in numbers alone and that have the same names inside are of one class. What the
  shapes settle in one of them holds in the others, if the net's layers come from the same lines of the spec;
- *number*: a layer belongs to the one beside it that has its number (`bn2` to `conv2`), if in the net one reads the other;
- *module*: layers of a module stay together in the net, so none goes beyond layers that are known to be of another.

Numbers behind names (`conv1`, `w2`) say nothing by themselves: authors count in order of execution, of definition, or
from fine to coarse. The proposal is accepted if every other assignment contradicts one of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from itc.checkpoints.dataflow import Dataflow
from itc.checkpoints.layers import NUMBER, Layer, Signature, ending
from itc.ir.op import Array

Pair = tuple[Layer, Layer]
#: Layers of one shape that are compared with one another.
MAX_CLASS = 1500
#: Layers among which names speak for and against the proposal; of more, names decide nothing.
MAX_CIRCLE = 60


@dataclass(frozen=True)
class Undecided:
    """Layers of the file, and those of the net of which each may be any."""

    theirs: tuple[Layer, ...]
    ours: tuple[Layer, ...]


@dataclass(frozen=True)
class Judged:
    """For each pair by the file's path why it was taken; groups that nothing decides; modules told by their names."""

    reasons: Mapping[str, tuple[str, ...]]
    undecided: tuple[Undecided, ...]
    by_name: tuple[str, ...]


def judge(
    pairs: Sequence[Pair],
    fixed: Sequence[Pair],
    unused: Sequence[Layer],
    missing: Sequence[Layer],
    flow: Dataflow,
    order: Sequence[Layer],
) -> Judged:
    """Judges `pairs`; `fixed` are certain, `unused` and `missing` have no partner and might be in a pair's place.

    `order` are all layers of the net in text order.
    """
    index = {layer.path: at for at, layer in enumerate(order)}
    return _Judge(pairs, fixed, unused, missing, flow, index).judged()


@dataclass(eq=False)
class _Judge:
    pairs: Sequence[Pair]
    fixed: Sequence[Pair]
    unused: Sequence[Layer]
    missing: Sequence[Layer]
    flow: Dataflow
    index: Mapping[str, int]
    reasons: dict[str, list[str]] = field(default_factory=dict)
    by_name: list[str] = field(default_factory=list)
    told: dict[tuple[str, str], str] = field(default_factory=dict)
    running: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    lists: dict[str, bool] = field(default_factory=dict)
    extents: dict[str, _Extent] = field(default_factory=dict)

    def __post_init__(self) -> None:
        both = (*self.fixed, *self.pairs)
        self.partner = {their.path: own for their, own in both}
        self.owner = {own.path: their for their, own in both}
        self.certain = {their.path for their, _ in self.fixed}

    def judged(self) -> Judged:
        """Layers that are certain are evidence for others, so it is asked again until nothing is added."""
        classes: dict[Signature, list[Pair]] = {}
        for pair in self.pairs:
            classes.setdefault(pair[0].signature, []).append(pair)
        undecided: list[Undecided] = []
        open_ = list(classes)
        while True:
            undecided = [group for signature in open_ for group in self._class(signature, classes[signature])]
            doubtful = {layer.path for group in undecided for layer in group.theirs}
            certain = self.certain | ({their.path for their, _ in self.pairs} - doubtful)
            if not undecided or certain == self.certain:
                break
            self.certain = certain
            self.extents.clear()
            open_ = [s for s in open_ if any(their.path in doubtful for their, _ in classes[s])]
        reasons = {path: tuple(dict.fromkeys(found)) for path, found in self.reasons.items()}
        return Judged(reasons, tuple(undecided), tuple(dict.fromkeys(self.by_name)))

    def _class(self, signature: Signature, pairs: list[Pair]) -> list[Undecided]:
        """The groups of one shape that may be exchanged among themselves."""
        spare = [layer for layer in self.unused if layer.signature == signature]
        empty = [layer for layer in self.missing if layer.signature == signature]
        if len(pairs) + len(spare) + len(empty) > MAX_CLASS:
            return [Undecided((*(t for t, _ in pairs), *spare), (*(o for _, o in pairs), *empty))]
        for their, _ in pairs:
            self.reasons[their.path] = []
        edges: list[list[int]] = [[] for _ in pairs]
        rivals: set[int] = set()
        for i, pair in enumerate(pairs):
            edges[i] = [j for j, other in enumerate(pairs) if i != j and self._open(pair, other)]
            if any(self._fits_better(layer, pair) for layer in spare):
                rivals.add(i)
            if any(self._goes_elsewhere(pair, layer) for layer in empty):
                rivals.add(i)
        groups = [
            part for group in _components(edges) if len(group) > 1 for part in self._nameless(group, edges, pairs)
        ]
        alone = sorted(rivals - {i for group in groups for i in group})
        out = [Undecided(tuple(pairs[i][0] for i in g), tuple(pairs[i][1] for i in g)) for g in groups]
        if alone:
            out.append(Undecided((*(pairs[i][0] for i in alone), *spare), (*(pairs[i][1] for i in alone), *empty)))
        if not (len(pairs) > 1 or spare or empty):
            self.reasons[pairs[0][0].path].append("the only one of its shapes")
        return out

    def _open(self, pair: Pair, other: Pair) -> bool:
        """Whether the first's layer of the file could be the second's of the net."""
        reason = self._tells(pair, other)
        if not reason and self._outside(pair[0], other):
            reason = f"layers of {self._branch(pair[0], other[0])} stay together"
        if reason:
            self._because(pair, reason)
            return False
        return True

    def _nameless(self, group: list[int], edges: Sequence[Sequence[int]], pairs: list[Pair]) -> list[list[int]]:
        """The parts of a group that can be exchanged without losing a word in common."""
        inside = set(group)
        gains = {(i, j): self._gain(pairs[i], pairs[j]) for i in group for j in edges[i] if j in inside}
        if any(gain > 0 for gain in gains.values()):
            if _circle_without_loss(group, gains):
                return [group]
            left: list[list[int]] = []
        else:
            kept = [
                [j for j in edges[i] if gains.get((i, j), -1) == 0] if i in inside else [] for i in range(len(edges))
            ]
            left = [part for part in _components(kept) if len(part) > 1]
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
            self._because(pair, f"names: those of {other[0].path} are nearer to {other[1].path}")
        at = _parting(pair[0], other[0])
        self.by_name.append(".".join(pair[0].names[:at]) or pair[0].names[0])

    def _because(self, pair: Pair, reason: str) -> None:
        self.reasons[pair[0].path].append(reason)

    @staticmethod
    def _gain(pair: Pair, other: Pair) -> int:
        """How many more words the first's layer of the file has in common with the second's of the net than its own."""
        return len(pair[0].words & other[1].words) - len(pair[0].words & pair[1].words)

    def _fits_better(self, spare: Layer, pair: Pair) -> bool:
        """Whether a layer of the file without a partner may be in the place of a paired one."""
        if len(spare.words & pair[1].words) < len(pair[0].words & pair[1].words):
            self._because(pair, f"names: {', '.join(sorted((pair[0].words & pair[1].words) - spare.words))}")
            return False
        if self._outside(spare, pair):
            self._because(pair, f"layers of {self._branch(spare, pair[0])} stay together")
            return False
        return True

    def _goes_elsewhere(self, pair: Pair, empty: Layer) -> bool:
        """Whether a paired layer of the file may be one of the net's that has no partner."""
        if len(pair[0].words & empty.words) < len(pair[0].words & pair[1].words):
            self._because(pair, f"names: {', '.join(sorted((pair[0].words & pair[1].words) - empty.words))}")
            return False
        if self._beyond(pair[0], len(pair[0].names), self.index[empty.path]):
            self._because(pair, f"layers of {'.'.join(pair[0].names[:-1])} stay together")
            return False
        return True

    def _tells(self, pair: Pair, other: Pair) -> str:
        """Why two pairs of one shape cannot be exchanged, or nothing."""
        key = (pair[0].path, other[0].path) if pair[0].path < other[0].path else (other[0].path, pair[0].path)
        if key not in self.told:
            self.told[key] = ""  # nothing is evidence for itself
            self.told[key] = self._list(pair, other) or self._kin(pair, other) or self._number(pair, other)
        return self.told[key]

    def _told(self, pair: Pair, other: Pair) -> bool:
        return pair[0].signature != other[0].signature or bool(self._tells(pair, other))

    # lists ------------------------------------------------------------------------------------------------------

    def _list(self, pair: Pair, other: Pair) -> str:
        at = _parting(pair[0], other[0])
        if at >= min(len(pair[0].names), len(other[0].names)):
            return ""
        one, two = pair[0].names[at], other[0].names[at]
        if not (one.isdigit() and two.isdigit()):
            return ""
        prefix = ".".join(pair[0].names[:at])
        if int(one) > int(two):
            pair, other, one, two = other, pair, two, one
        if not self._counts(prefix) or not self._runs(prefix, one, two):
            return ""
        if not self._same_place(pair, other):
            return ""
        return f"order of the list {prefix or 'of modules'}"

    def _same_place(self, pair: Pair, other: Pair) -> bool:
        one, two = pair[1].path, other[1].path
        uses = self.flow.uses
        return one not in uses or two not in uses or self.flow.same_size_or_passed(one, two)

    def _runs(self, prefix: str, one: str, two: str) -> bool:
        key = (prefix, one, two)
        if key not in self.running:
            items = self._items[prefix]
            first, second = ([self.partner[t.path].path for t in items[item]] for item in (one, two))
            self.running[key] = self.flow.one_after_the_other(first, second)
        return self.running[key]

    @cached_property
    def _items(self) -> dict[str, dict[str, list[Layer]]]:
        """The paired layers of each item of each list of the file, by the list's path."""
        out: dict[str, dict[str, list[Layer]]] = {}
        for their, _ in (*self.fixed, *self.pairs):
            for at, name in enumerate(their.names):
                if name.isdigit():
                    out.setdefault(".".join(their.names[:at]), {}).setdefault(name, []).append(their)
        return out

    @cached_property
    def _families(self) -> dict[str, list[str]]:
        """Lists by their path without numbers."""
        out: dict[str, list[str]] = {}
        for prefix in self._items:
            out.setdefault(NUMBER.sub("#", prefix), []).append(prefix)
        return out

    def _counts(self, prefix: str) -> bool:
        """Whether the list, and those of its kind, count in order of execution; single layers have to show it."""
        if prefix not in self.lists:
            family = self._families[NUMBER.sub("#", prefix)]
            holds = all(self._ascends(name) for name in family)
            shown = any(len(item) > 1 for item in self._items[prefix].values()) or any(map(self._shown, family))
            self.lists[prefix] = holds and shown
        return self.lists[prefix]

    def _ordered(self, prefix: str) -> list[list[Layer]]:
        items = self._items[prefix]
        return [items[name] for name in sorted(items, key=int)]

    def _ascends(self, prefix: str) -> bool:
        at = [min(self.index[self.partner[t.path].path] for t in item) for item in self._ordered(prefix)]
        return at == sorted(at)

    def _shown(self, prefix: str) -> bool:
        """Whether two items of different shapes show how the list counts."""
        kinds = [Counter(layer.signature for layer in item) for item in self._ordered(prefix)]
        return any(kind != kinds[0] for kind in kinds)

    # modules of one class ---------------------------------------------------------------------------------------

    @cached_property
    def _kind(self) -> dict[str, list[tuple[str, ...]]]:
        """Modules of the file by their path without numbers."""
        out: dict[str, dict[tuple[str, ...], None]] = {}
        for their, _ in (*self.fixed, *self.pairs):
            for at in range(1, len(their.names)):
                names = their.names[:at]
                out.setdefault(NUMBER.sub("#", ".".join(names)), {})[names] = None
        return {key: list(modules) for key, modules in out.items()}

    def _kin(self, pair: Pair, other: Pair) -> str:
        """A module of the same class in which shapes tell the two layers of these names apart, in the same order."""
        at = _parting(pair[0], other[0])
        module, rests = pair[0].names[:at], (pair[0].names[at:], other[0].names[at:])
        witness = ""
        for names in self._kind.get(NUMBER.sub("#", ".".join(module)), ()):
            one, two = (".".join((*names, *rest)) for rest in rests)
            if names == module or one not in self.partner or two not in self.partner:
                continue
            there = self.partner[one], self.partner[two]
            if there[0].signature == there[1].signature:
                continue
            if not self._same_lines((pair[1], other[1]), there):
                return ""
            witness = witness or ".".join(names)
        return f"as in {witness}" if witness else ""

    def _same_lines(self, here: tuple[Layer, Layer], there: tuple[Layer, Layer]) -> bool:
        """Whether two layers are the same two of a block as two others: lines, names in it, and order."""
        if any(self.flow.span(one.path) != self.flow.span(two.path) for one, two in zip(here, there, strict=True)):
            return False
        at, other = _parting(*here), _parting(*there)
        if any(one.names[at:] != two.names[other:] for one, two in zip(here, there, strict=True)):
            return False
        order = [self.index[one.path] < self.index[two.path] for one, two in (here, there)]
        return order[0] == order[1]

    # numbers of neighbours --------------------------------------------------------------------------------------

    def _number(self, pair: Pair, other: Pair) -> str:
        """Layers beside them with their numbers, which they read or which read them, and which are told apart."""
        at = _parting(pair[0], other[0])
        for one in self._beside(pair, at):
            for two in self._beside(other, at):
                same = self._reads(pair, one) == self._reads(other, two)
                if same and one[0].path != two[0].path and self._told(one, two):
                    return "numbers of what it is attached to"
        return ""

    def _reads(self, pair: Pair, other: Pair) -> bool:
        return self.flow.uses[pair[1].path].before == other[1].path

    def _beside(self, pair: Pair, at: int) -> list[Pair]:
        """Layers attached to this one, in the same module behind the parting or of the same number beside it."""
        out = []
        for path in self.flow.attached(pair[1].path):
            their = self.owner.get(path)
            if their is None or their.names[:at] != pair[0].names[:at] or len(their.names) <= at:
                continue
            one, two = their.names[at], pair[0].names[at] if len(pair[0].names) > at else ""
            if one == two or (ending(one) and ending(one) == ending(two)):
                out.append((their, self.partner[their.path]))
        return out

    # modules stay together --------------------------------------------------------------------------------------

    @cached_property
    def _members(self) -> dict[str, list[Layer]]:
        """The layers of each module of the file."""
        out: dict[str, list[Layer]] = {}
        for layer in self._everyone:
            for at in range(1, len(layer.names)):
                out.setdefault(".".join(layer.names[:at]), []).append(layer)
        return out

    @cached_property
    def _everyone(self) -> list[Layer]:
        return [*(their for their, _ in (*self.fixed, *self.pairs)), *self.unused]

    @cached_property
    def _totals(self) -> Counter[Signature]:
        return Counter(layer.signature for layer in self._everyone)

    def _extent(self, module: str) -> _Extent:
        """Which places in the net are known to be of a module of the file, and which of others."""
        if module not in self.extents:
            self.extents[module] = self._measured(self._members[module])
        return self.extents[module]

    def _measured(self, members: list[Layer]) -> _Extent:
        """None is known of a module whose own layers are apart in the proposal: there the rule does not hold."""
        counts = Counter(layer.signature for layer in members)
        names = {layer.path for layer in members}
        paired = [layer for layer in members if layer.path in self.partner]
        places = {layer.path: self.index[self.partner[layer.path].path] for layer in paired}
        inside = [
            places[layer.path]
            for layer in paired
            if layer.path in self.certain or counts[layer.signature] == self._totals[layer.signature]
        ]
        others = np.zeros(len(self.index) + 1, np.int64)
        for path, at in self.index.items():
            owner = self.owner.get(path)
            signature = owner.signature if owner else self._signatures.get(path)
            elsewhere = owner is not None and owner.path in self.certain and owner.path not in names
            others[at + 1] = elsewhere or (signature is not None and signature not in counts)
        extent = _Extent(min(inside, default=-1), max(inside, default=-1), np.cumsum(others))
        holds = not any(extent.leaves(at) for at in places.values())
        return extent if holds else _Extent(-1, -1, extent.others)

    @cached_property
    def _signatures(self) -> dict[str, Signature]:
        return {layer.path: layer.signature for layer in self.missing}

    def _outside(self, their: Layer, other: Pair) -> bool:
        """Whether the place of `other` is beyond layers that are not of a module of this layer."""
        return self._beyond(their, _parting(their, other[0]) + 1, self.index[other[1].path], True)

    def _beyond(self, their: Layer, start: int, at: int, down: bool = False) -> bool:
        depths = range(start, len(their.names)) if down else range(len(their.names) - 1, 0, -1)
        return any(self._extent(".".join(their.names[:depth])).leaves(at) for depth in depths)

    def _branch(self, their: Layer, other: Layer) -> str:
        return ".".join(their.names[: _parting(their, other) + 1])


@dataclass(frozen=True)
class _Extent:
    """The first and last place in the net that are known to be of a module, and how many before each are of others."""

    first: int
    last: int
    others: Array

    def leaves(self, at: int) -> bool:
        """Whether others' layers are between what is known of the module and this place."""
        if self.first < 0:
            return False
        low, high = min(self.first, at), max(self.last, at)
        return bool(self.others[high + 1] - self.others[low])


def _parting(one: Layer, other: Layer) -> int:
    """How many names of their paths two layers share."""
    return next(
        (i for i, (a, b) in enumerate(zip(one.names, other.names, strict=False)) if a != b),
        min(len(one.names), len(other.names)),
    )


def _circle_without_loss(group: Sequence[int], gains: Mapping[tuple[int, int], int]) -> bool:
    """Whether there is a circle of steps that gain, in total, no less than nothing (Bellman and Ford)."""
    if len(group) > MAX_CIRCLE:
        return True
    best = dict.fromkeys(group, 0)
    for _ in range(len(group) + 1):
        changed = False
        for (i, j), gain in gains.items():
            if best[i] + gain * (len(group) + 1) + 1 > best[j]:
                best[j] = best[i] + gain * (len(group) + 1) + 1
                changed = True
        if not changed:
            return False
    return True


def _components(edges: Sequence[Iterable[int]]) -> list[list[int]]:
    """The strongly connected components of a graph (Tarjan 1972), without recursion."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on: set[int] = set()
    out: list[list[int]] = []
    for start in range(len(edges)):
        if start in order:
            continue
        work = [(start, iter(edges[start]))]
        order[start] = low[start] = len(order)
        stack.append(start)
        on.add(start)
        while work:
            node, after = work[-1]
            for following in after:
                if following not in order:
                    order[following] = low[following] = len(order)
                    stack.append(following)
                    on.add(following)
                    work.append((following, iter(edges[following])))
                    break
                if following in on:
                    low[node] = min(low[node], order[following])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == order[node]:
                    group = []
                    while not group or group[-1] != node:
                        group.append(stack.pop())
                        on.discard(group[-1])
                    out.append(sorted(group))
    return out
