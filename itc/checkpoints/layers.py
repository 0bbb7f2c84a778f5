"""Groups tensors by key into layers and a tree of modules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

Shape = tuple[int, ...]
Signature = tuple[tuple[str, Shape], ...]

#: The layer and tensor name of a key, as in PyTorch and itc: split at the last dot.
PARTS = ("weight", "bias", "running_mean", "running_var")
#: A batch counter of norms without momentum, which is ignored.
IGNORED = "num_batches_tracked"
WORD = re.compile(r"[a-z]+")
NUMBER = re.compile(r"\d+")
NUMBERED = re.compile(r"(.*?)_?(\d{0,9})", re.DOTALL)
#: Synonyms in attention layers.
SAME_WORD = {
    **dict.fromkeys(("query", "queries", "wq"), "q"),
    **dict.fromkeys(("key", "keys", "wk"), "k"),
    **dict.fromkeys(("value", "values", "wv"), "v"),
    **dict.fromkeys(("o", "wo"), "out"),
}
#: Maximum depth of names; deeper ones are one name.
MAX_DEPTH = 32


@dataclass(frozen=True)
class Layer:
    """The tensors under one path: `keys` by their part (`weight`, ...), `shapes` in the order of the parts."""

    path: str
    keys: Mapping[str, str] = field(compare=False)
    signature: Signature

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The parts of its path."""
        return tuple(self.path.split(".", MAX_DEPTH - 1))

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of its path, without numbers."""
        return frozenset(SAME_WORD.get(word, word) for word in WORD.findall(self.path.lower()))

    @cached_property
    def numbers(self) -> frozenset[str]:
        return frozenset(NUMBER.findall(self.path))

    @property
    def is_norm(self) -> bool:
        """Whether it has vectors only, which match more layers than matrices do."""
        return all(len(shape) <= 1 for _, shape in self.signature)

    def __str__(self) -> str:
        parts = ", ".join(f"{part} {list(shape)}".strip() for part, shape in self.signature)
        return f"{self.path} ({parts})"


def layers(shapes: Mapping[str, Shape]) -> list[Layer]:
    """The layers in the order of their first tensors."""
    found: dict[str, dict[str, str]] = {}
    for key in shapes:
        path, _, part = key.rpartition(".")
        if part in PARTS:
            found.setdefault(path, {})[part] = key
        else:
            found[key] = {"": key}
    return [
        Layer(path, keys, tuple(sorted((part, tuple(shapes[key])) for part, key in keys.items())))
        for path, keys in found.items()
    ]


def ending(name: str) -> str:
    """The number at the end of a name, or an empty text."""
    match = NUMBERED.fullmatch(name)
    assert match
    return match[2]


def stem(name: str) -> str:
    """A name without the number at its end."""
    match = NUMBERED.fullmatch(name)
    assert match
    return match[1]


@dataclass(eq=False)
class Node:
    """A module: a layer, or child modules by name; `size` is the number of its layers."""

    path: str
    layer: Layer | None = None
    children: dict[str, Node] = field(default_factory=dict)
    size: int = 0

    def chains(self, free: bool = False) -> list[list[Node]]:
        """The children in chains of one name with numbers behind it (`conv1`, `conv2`; `0`, `1`).

        A chain is ordered by its numbers; the interleaving of chains is unknown. Chains are sorted by name. If
        `free`, only the items of a list (`0`, `1`) are ordered.
        """
        found: dict[str, list[tuple[int, Node]]] = {}
        for name, child in self.children.items():
            match = NUMBERED.fullmatch(name)
            assert match
            stem = name if free and match[1] else match[1]
            found.setdefault(stem, []).append((int(match[2] or 0), child))
        return [[child for _, child in sorted(found[stem], key=lambda pair: pair[0])] for stem in sorted(found)]

    def leaves(self) -> Iterator[Layer]:
        """Its layers, chain after chain."""
        if self.layer:
            yield self.layer
            return
        for chain in self.chains():
            for child in chain:
                yield from child.leaves()


def tree(found: Iterable[Layer]) -> Node:
    """The tree of these layers, from the first branching module."""
    root = Node("")
    for layer in found:
        _put(root, layer)
    while len(root.children) == 1 and not root.layer:
        (root,) = root.children.values()
    return root


def _put(root: Node, layer: Layer) -> None:
    node = root
    node.size += 1
    for name in layer.names:
        if node.layer:  # a module with both tensors and child modules
            node.children[""] = Node(node.path, node.layer, size=1)
            node.layer = None
        node = node.children.setdefault(name, Node(f"{node.path}.{name}".lstrip(".")))
        node.size += 1
    if node.children:
        node = node.children.setdefault("", Node(node.path, size=1))
    node.layer = layer
