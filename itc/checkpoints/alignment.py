"""Proposes an assignment of a file's layers (a tree of names) to a net's layers (in text order).

Numbered modules keep the order of their numbers; other names have no order, so all interleavings that keep modules
contiguous are matched against the shapes. Of several matches, the one with most common words is chosen, then with most
common numbers. Without a match, numbers in names (`w1`, `w2`) are ignored as well, and finally each shape is assigned
separately. The proposal is not evidence: `evidence.py` judges each pair.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from math import prod

from itc.checkpoints.layers import Layer, Node, Signature, tree
from itc.checkpoints.matching import Pair
from itc.diagnostics import CompileError, fail

Chains = list[list[Node]]
#: The number of layers taken from each chain.
Taken = tuple[int, ...]

#: Maximum number of interleavings per module; above it, names are taken in alphabetical order.
MAX_STATES = 20_000
#: Maximum number of search steps.
MAX_STEPS = 3_000_000
#: Maximum number of layers for a partial assignment.
MAX_FITTING = 20_000


@dataclass(frozen=True)
class Aligned:
    """Pairs (theirs, ours) in the net's order, and the number of words and numbers common to their names."""

    pairs: tuple[Pair, ...] = ()
    words: int = 0
    numbers: int = 0

    def then(self, other: Aligned) -> Aligned:
        return Aligned(self.pairs + other.pairs, self.words + other.words, self.numbers + other.numbers)

    def better(self, other: Aligned | None) -> Aligned:
        return self if other is None or self.rank >= other.rank else other

    @property
    def rank(self) -> tuple[int, int, int]:
        return len(self.pairs), self.words, self.numbers


def align(theirs: Node, ours: Sequence[Layer]) -> Aligned:
    """A complete assignment if possible, else one with the most pairs.

    Raises CompileError (E0653) if the search is too large.
    """
    if theirs.size == len(ours):
        for free in (False, True):
            if whole := _Search(ours, free).fit(theirs, 0):
                return whole
        if whole := _by_shape(list(theirs.leaves()), ours):
            return whole
    known = {layer.signature for layer in ours}
    fitting = [layer for layer in theirs.leaves() if layer.signature in known]
    if len(fitting) > MAX_FITTING:
        raise _too_many()
    return _Search(ours).most(tree(fitting)) if fitting else Aligned()


def _too_many() -> CompileError:
    help = "assign layers by hand: --pair THEIRS=OURS"
    return fail("E0653", "the layers of the file have too many possible assignments", help=help)


def _by_shape(theirs: list[Layer], ours: Sequence[Layer]) -> Aligned | None:
    """An assignment per shape, independent of modules: by common words, then in order."""
    left = list(theirs)
    if Counter(layer.signature for layer in left) != Counter(layer.signature for layer in ours):
        return None
    aligned = Aligned()
    by_signature: dict[Signature, list[Layer]] = {}
    for layer in left:
        by_signature.setdefault(layer.signature, []).append(layer)
    for own in ours:
        choices = by_signature[own.signature]
        best = max(choices, key=lambda layer: len(own.words & layer.words))
        choices.remove(best)
        aligned = aligned.then(Aligned(((best, own),)))
    return aligned


@dataclass(eq=False)
class _Search:
    ours: Sequence[Layer]
    free: bool = False
    known: dict[tuple[int, int], Aligned | None] = field(default_factory=dict)
    steps: int = 0

    def fit(self, node: Node, at: int) -> Aligned | None:
        """An assignment of all layers of `node` to ours from `at` on, or None."""
        if at + node.size > len(self.ours):
            return None
        key = (id(node), at)
        if key not in self.known:
            self.known[key] = self._leaf(node.layer, at) if node.layer else self._module(node, at)
        return self.known[key]

    def step(self) -> None:
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise _too_many()

    def _leaf(self, layer: Layer, at: int) -> Aligned | None:
        own = self.ours[at]
        if own.signature != layer.signature:
            return None
        return Aligned(((layer, own),), len(own.words & layer.words), len(own.numbers & layer.numbers))

    def _module(self, node: Node, at: int) -> Aligned | None:
        """The best valid order of the children."""
        chains = _bounded(node.chains(self.free), MAX_STATES)
        best: dict[Taken, Aligned] = {(0,) * len(chains): Aligned()}
        for taken in _states(chains):
            if taken not in best:
                continue
            for child, after in _next(chains, taken):
                self.step()
                more = self.fit(child, at + len(best[taken].pairs))
                if more:
                    best[after] = best[taken].then(more).better(best.get(after))
        return best.get(tuple(map(len, chains)))

    def most(self, root: Node) -> Aligned:
        """The largest assignment; modules of the root, parts of its lists, and layers of ours may be unpaired."""
        chains = root.chains() if root.children else [[root]]
        while True:
            found = self._with_gaps(chains)
            placed = {layer.path for layer, _ in found.pairs}
            opened = [[part for child in chain for part in _opened(child, placed)] for chain in chains]
            if opened == chains:
                return found
            chains = opened

    def _with_gaps(self, chains: Chains) -> Aligned:
        """The best path through states (items taken per chain, position in ours, previous position paired)."""
        chains = _bounded(chains, MAX_STATES // 4)
        end, best, found = tuple(map(len, chains)), {((0,) * len(chains), 0, False): Aligned()}, Aligned()
        for taken in _states(chains):
            for at, follows in product(range(len(self.ours) + 1), (False, True)):
                way = best.pop((taken, at, follows), None)
                if way is None:
                    continue
                if taken == end:
                    found = way.better(found)
                    continue
                for state, after in self._moves(chains, taken, at, follows, way):
                    best[state] = after.better(best.get(state))
        return found

    def _moves(
        self, chains: Chains, taken: Taken, at: int, follows: bool, way: Aligned
    ) -> Iterator[tuple[tuple[Taken, int, bool], Aligned]]:
        """Skips a layer of ours or a module of theirs, or pairs a module; a lone norm needs a pair before it."""
        if at < len(self.ours):
            yield (taken, at + 1, False), way
        for child, after in _next(chains, taken):
            self.step()
            yield (after, at, follows), way
            if follows or not (child.layer and child.layer.is_norm):
                more = self.fit(child, at)
                if more:
                    yield (after, at + child.size, True), way.then(more)


def _states(chains: Chains) -> Iterator[Taken]:
    """The possible numbers of items taken per chain, in ascending order."""
    return product(*(range(len(chain) + 1) for chain in chains))


def _next(chains: Chains, taken: Taken) -> Iterator[tuple[Node, Taken]]:
    """The modules that may be taken next, each with the resulting state."""
    for i, chain in enumerate(chains):
        if taken[i] < len(chain):
            yield chain[taken[i]], (*taken[:i], taken[i] + 1, *taken[i + 1 :])


def _bounded(chains: Chains, limit: int) -> Chains:
    """The chains, or a single chain if they have more than `limit` interleavings."""
    states = prod(len(chain) + 1 for chain in chains)
    return chains if states <= limit else [[node for chain in chains for node in chain]]


def _opened(node: Node, placed: set[str]) -> list[Node]:
    """The items of a list that cannot be assigned as a whole, else the node itself."""
    if node.layer or next(node.leaves()).path in placed:
        return [node]
    chains = node.chains()
    return chains[0] if len(chains) == 1 else [node]
