"""Random specs with the names that somebody else may have given their layers, numbers shuffled wherever they may be.

Kept is what a file and a net can agree on: lists of which shapes show that they count in order do so in all items,
modules of one class have the same names inside, and `bn2` is the norm of `conv2`. All other numbers are in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

#: Layers of a unit in text order: kernel, and whether it widens; norms follow each.
UNITS = {"plain": (3,), "double": (3, 3), "narrow": (1, 3, 1), "thrice": (3, 3, 3)}


@dataclass
class RenamedNet:
    """A spec, and for each layer of it, by its path, the one in the file."""

    random: Random
    lines: list[str] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    width: int = 4

    @property
    def spec(self) -> str:
        return "\n".join((*map(self.unit, UNITS), "network n:", "    input image: f32[4, 8, 8]", *self.lines, ""))

    @staticmethod
    def unit(kind: str) -> str:
        lines = [f"block {kind}(x, width):", "    y = x"]
        for i, kernel in enumerate(UNITS[kind]):
            lines.append(f'    y = y |> conv(width, {kernel}, name="a{i}") |> batch_norm(name="b{i}") |> relu')
        lines.append("    if channels(x) != width:")
        lines.append('        x = x |> conv(width, 1, name="s") |> batch_norm(name="t")')
        return "\n".join((*lines, "    return x + y", ""))

    def shuffled(self, count: int) -> list[int]:
        return self.random.sample(range(count), count)


def renamed_net(seed: int) -> RenamedNet:
    """A network of one to four parts in sequence, each a list in sequence, branches side by side, or a pyramid.

    Of those of odd seeds shapes tell more: each part is a list, and widens.
    """
    random, clear = Random(seed), seed % 2 == 1
    net = RenamedNet(random)
    net.lines.append('    x = image |> conv(4, 3, name="stem")')
    net.names["stem"] = "entry" if random.random() < 0.5 else "stem"
    parts = random.randint(1, 4)
    numbers, inner = net.shuffled(parts), {kind: net.shuffled(len(UNITS[kind])) for kind in UNITS}
    width = 4
    for part in range(parts):
        kind = "sequence" if clear else random.choice(["sequence", "sequence", "branches", "pyramid", "gate"])
        if kind == "sequence":
            width = width + 4 if clear else random.choice([width, width, width + 4])
            _sequence(net, part, numbers[part], width, inner)
        else:
            {"branches": _branches, "pyramid": _pyramid, "gate": _gate}[kind](net, part, f"part{numbers[part]}", width)
    net.lines.append("    emit y = x")
    return net


def _sequence(net: RenamedNet, part: int, number: int, width: int, inner: dict[str, list[int]]) -> None:
    """Units one after the other. Where no shapes show how their list counts, it counts in any order."""
    widens = width != net.width
    count = net.random.randint(1, 3)
    items = list(range(count)) if widens else net.shuffled(count)
    name = f"layer{number}" if widens else f"same{number}"
    net.width = width
    unit = net.random.choice(list(UNITS))
    conv, norm = ("conv", "bn") if net.random.random() < 0.7 else ("c", "n")
    for item, there in enumerate(items):
        net.lines.append(f'    x = {unit}(x, {width}, name="p{part}_{item}")')
        for i, inside in enumerate(inner[unit]):
            net.names[f"p{part}_{item}.a{i}"] = f"{name}.{there}.{conv}{inside + 1}"
            net.names[f"p{part}_{item}.b{i}"] = f"{name}.{there}.{norm}{inside + 1}"
        net.names[f"p{part}_{item}.s"] = f"{name}.{there}.short.0"
        net.names[f"p{part}_{item}.t"] = f"{name}.{there}.short.1"


def _branches(net: RenamedNet, part: int, name: str, width: int) -> None:
    count = net.random.randint(2, 3)
    listed = net.random.random() < 0.5
    for item, number in enumerate(net.shuffled(count)):
        net.lines.append(f'    y{item} = x |> conv({width}, {2 * item + 1}, name="p{part}_{item}")')
        if net.random.random() < 0.5:
            net.lines[-1] = f'    y{item} = x |> conv({width}, 1, name="p{part}_{item}") |> relu'
        net.names[f"p{part}_{item}"] = f"{name}.{number}" if listed else f"{name}.conv{number}"
    net.lines.append("    x = " + " + ".join(f"y{item}" for item in range(count)))


def _pyramid(net: RenamedNet, part: int, name: str, width: int) -> None:
    """Levels from coarse to fine, which others may count from fine to coarse."""
    count = net.random.randint(2, 3)
    numbers, listed = net.shuffled(count), net.random.random() < 0.5
    net.lines += [f"    z = x |> max_pool({2 ** (count - 1)})"]
    for item, number in enumerate(numbers):
        key = f"p{part}_{item}"
        net.lines.append(f'    z = z |> conv({width}, 3, name="{key}")')
        if listed:
            net.lines[-1] += f' |> batch_norm(name="{key}n")'
            net.names[f"{key}n"] = f"{name}.levels.{number}.norm"
        net.names[key] = f"{name}.levels.{number}.conv" if listed else f"{name}.level{number}"
        rest = count - 1 - item
        if rest:
            pooled = f"max_pool(x, {2 ** (rest - 1)})" if rest > 1 else "x"
            net.lines.append(f"    fine{item} = {pooled}")
            net.lines.append(f"    z = fine{item} + resize(z, like=fine{item})")
    net.lines.append("    x = z")


def _gate(net: RenamedNet, part: int, name: str, width: int) -> None:
    net.lines.append(f'    g = sigmoid(conv(x, {width}, 1, name="p{part}_gate"))')
    net.lines.append(f'    x = (g * conv(x, {width}, 1, name="p{part}_up")) |> conv({width}, 1, name="p{part}_down")')
    words = net.random.random() < 0.5
    for word, number in zip(("gate", "up", "down"), net.shuffled(3), strict=True):
        net.names[f"p{part}_{word}"] = f"{name}.{word}_proj" if words else f"{name}.w{number + 1}"
