"""Evidence that two pairs of layers of equal shapes cannot be exchanged, from a matching and the net's dataflow.

- *list*: items `0`, `1`, ... of a module are numbered in order of execution. Shapes must show it in this list or in one
  whose path differs only in numbers, without a contradiction, and the net must run the items in sequence: every
  path to an item passes through the previous one, or both read maps of one size;
- *class*: modules with equal names inside whose paths differ only in numbers are of one class. An assignment decided by
  shapes in one of them holds in the others, if the net's layers come from the same lines of the spec;
- *number*: a layer belongs to its neighbour of the same number (`bn2` to `conv2`), if one reads the other in the net.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from itc.checkpoints.dataflow import Dataflow
from itc.checkpoints.layers import NUMBER, Layer, ending, stem
from itc.checkpoints.matching import Matching, Pair, parting


@dataclass(eq=False)
class Relations:
    """Relations between pairs of a matching; with `in_order`, all numbers follow the order of execution."""

    matching: Matching
    flow: Dataflow
    in_order: bool = False
    told: dict[tuple[str, str], str] = field(default_factory=dict)
    running: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    lists: dict[str, bool] = field(default_factory=dict)

    def tell(self, pair: Pair, other: Pair) -> str:
        """The reason why two pairs of one shape cannot be exchanged, or nothing."""
        key = (pair[0].path, other[0].path) if pair[0].path < other[0].path else (other[0].path, pair[0].path)
        if key not in self.told:
            self.told[key] = ""  # breaks circular evidence
            self.told[key] = self._list(pair, other) or self._kin(pair, other) or self._number(pair, other)
        return self.told[key]

    def _told(self, pair: Pair, other: Pair) -> bool:
        return pair[0].signature != other[0].signature or bool(self.tell(pair, other))

    def _list(self, pair: Pair, other: Pair) -> str:
        at = parting(pair[0], other[0])
        if at >= min(len(pair[0].names), len(other[0].names)):
            return ""
        one, two = pair[0].names[at], other[0].names[at]
        if not one or not two or stem(one) != stem(two) or not (ending(one) and ending(two)):
            return ""
        if int(ending(one)) > int(ending(two)):
            pair, other, one, two = other, pair, two, one
        prefix = ".".join(pair[0].names[:at])
        listed = one.isdigit() and two.isdigit()
        if not (self.in_order or (listed and self._counts(prefix))):
            return ""
        if not self._runs(prefix, one, two) or not self._same_place(pair, other):
            return ""
        if not listed:
            return "order of its number, by --in-order"
        return f"order of the list {prefix or 'of modules'}"

    def _same_place(self, pair: Pair, other: Pair) -> bool:
        one, two = pair[1].path, other[1].path
        uses = self.flow.uses
        return one not in uses or two not in uses or self.flow.same_size_or_passed(one, two)

    def _runs(self, prefix: str, one: str, two: str) -> bool:
        key = (prefix, one, two)
        if key not in self.running:
            items = self._items[prefix]
            first, second = ([self.matching.partner[t.path].path for t in items[item]] for item in (one, two))
            self.running[key] = self.flow.one_after_the_other(first, second)
        return self.running[key]

    @cached_property
    def _items(self) -> dict[str, dict[str, list[Layer]]]:
        """The paired layers of each item of each list of the file, by the list's path."""
        out: dict[str, dict[str, list[Layer]]] = {}
        for their, _ in self.matching.both:
            for at, name in enumerate(their.names):
                if ending(name):
                    out.setdefault(".".join(their.names[:at]), {}).setdefault(name, []).append(their)
        return out

    @cached_property
    def _families(self) -> dict[str, list[str]]:
        """Lists by their path without numbers."""
        out: dict[str, list[str]] = {}
        for prefix, items in self._items.items():
            if any(name.isdigit() for name in items):
                out.setdefault(NUMBER.sub("#", prefix), []).append(prefix)
        return out

    def _counts(self, prefix: str) -> bool:
        """Whether shapes show that a list, or one of its kind, is in order of execution, and none contradicts it."""
        if prefix not in self.lists:
            family = self._families[NUMBER.sub("#", prefix)]
            self.lists[prefix] = all(map(self._ascends, family)) and any(map(self._shown, family))
        return self.lists[prefix]

    def _ordered(self, prefix: str) -> list[list[Layer]]:
        items = self._items[prefix]
        return [items[name] for name in sorted((name for name in items if name.isdigit()), key=int)]

    def _ascends(self, prefix: str) -> bool:
        at = [min(self.matching.position(t) for t in item) for item in self._ordered(prefix)]
        return at == sorted(at)

    def _shown(self, prefix: str) -> bool:
        """Whether two items of different shapes show the order of the list."""
        kinds = [Counter(layer.signature for layer in item) for item in self._ordered(prefix)]
        return any(kind != kinds[0] for kind in kinds)

    # modules of one class ---------------------------------------------------------------------------------------

    @cached_property
    def _kind(self) -> dict[str, list[tuple[str, ...]]]:
        """Modules of the file by their path without numbers."""
        out: dict[str, dict[tuple[str, ...], None]] = {}
        for their, _ in self.matching.both:
            for at in range(1, len(their.names)):
                names = their.names[:at]
                out.setdefault(NUMBER.sub("#", ".".join(names)), {})[names] = None
        return {key: list(modules) for key, modules in out.items()}

    def _kin(self, pair: Pair, other: Pair) -> str:
        """A module of the same class in which shapes decide between the two layers of these names."""
        at = parting(pair[0], other[0])
        module, rests = pair[0].names[:at], (pair[0].names[at:], other[0].names[at:])
        witness = ""
        for names in self._kind.get(NUMBER.sub("#", ".".join(module)), ()):
            one, two = (".".join((*names, *rest)) for rest in rests)
            if names == module or one not in self.matching.partner or two not in self.matching.partner:
                continue
            there = self.matching.partner[one], self.matching.partner[two]
            if there[0].signature == there[1].signature:
                continue
            if not self._same_lines((pair[1], other[1]), there):
                return ""
            witness = witness or ".".join(names)
        return f"as in {witness}" if witness else ""

    def _same_lines(self, here: tuple[Layer, Layer], there: tuple[Layer, Layer]) -> bool:
        """Whether two layers correspond to two others of the same block, by lines, names and order."""
        if any(self.flow.span(one.path) != self.flow.span(two.path) for one, two in zip(here, there, strict=True)):
            return False
        at, other = parting(*here), parting(*there)
        if any(one.names[at:] != two.names[other:] for one, two in zip(here, there, strict=True)):
            return False
        order = [self.matching.index[one.path] < self.matching.index[two.path] for one, two in (here, there)]
        return order[0] == order[1]

    # numbers of neighbours --------------------------------------------------------------------------------------

    def _number(self, pair: Pair, other: Pair) -> str:
        """The evidence of neighbours of the same numbers, connected in the net, that cannot be exchanged."""
        at = parting(pair[0], other[0])
        for one in self._beside(pair, at):
            for two in self._beside(other, at):
                same = self._reads(pair, one) == self._reads(other, two)
                if same and one[0].path != two[0].path and self._told(one, two):
                    return "numbers of its neighbour"
        return ""

    def _reads(self, pair: Pair, other: Pair) -> bool:
        return self.flow.uses[pair[1].path].before == other[1].path

    def _beside(self, pair: Pair, at: int) -> list[Pair]:
        """Layers connected to this one, in the same module after the parting or with the same number."""
        out = []
        for path in self.flow.attached(pair[1].path):
            their = self.matching.owner.get(path)
            if their is None or their.names[:at] != pair[0].names[:at] or len(their.names) <= at:
                continue
            one, two = their.names[at], pair[0].names[at] if len(pair[0].names) > at else ""
            if one == two or (ending(one) and ending(one) == ending(two)):
                out.append((their, self.matching.partner[their.path]))
        return out
