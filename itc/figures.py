"""Figures that a spec gives for its network, beside what itc counts: published by a paper, or counted by others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from itc.ir.net import Net
from itc.source import Span

#: What a cost calls each figure that a spec may give.
MEASURES = {"params": "params", "macs": "macs", "graph": "graph_bytes", "latency": "latency", "state": "state_bytes"}


@dataclass(frozen=True, slots=True)
class Published:
    """A number as it is printed, its value, and by how much what it was rounded from may be off it, 0 if exact.

    `name` is a key of MEASURES; `kind` is `published` (by a paper) or `counted` (from a definition of the layers);
    `source` says where it is from, if not from the network's own paper; `without` is the segment of keys whose
    parameters it leaves out.
    """

    name: str
    text: str
    value: float
    rounding: float = 0.0
    kind: str = "published"
    source: str = ""
    without: str = ""
    span: Span | None = field(default=None, compare=False, repr=False)

    @property
    def title(self) -> str:
        """What it is, in words."""
        part = f" without {self.without}" if self.without else ""
        return f"{self.kind}{part}{f', {self.source}' if self.source else ''}"

    def json(self) -> dict[str, Any]:
        return {"text": self.text, "value": self.value}


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure and what itc counts for it."""

    figure: Published
    found: int

    @property
    def off(self) -> float:
        """How far what is found is from the figure, as a fraction of it."""
        return self.found / self.figure.value - 1

    @property
    def met(self) -> bool:
        """Whether what is found rounds to the figure, or, where that is exact, is the same."""
        return abs(self.found - self.figure.value) <= self.figure.rounding * (1 + 1e-9)

    @property
    def text(self) -> str:
        """The difference for people: `=` where there is none, with a mark where it is but rounding."""
        if self.found == self.figure.value:
            return "="
        if not self.met:
            return f"{self.off:+.1%}"
        return f"≈ {self.off:+.1%}" if abs(self.off) >= 5e-4 else "≈"

    def json(self) -> dict[str, Any]:
        """The figure and the difference as JSON-ready values; the keys are stable."""
        of = self.figure
        about = {"name": of.name, "kind": of.kind, "source": of.source, "without": of.without}
        return {**about, **of.json(), "found": self.found, "off": self.off, "met": self.met}


def compare(net: Net, figures: Iterable[Published], cost: Mapping[str, Any]) -> tuple[Compared, ...]:
    """Each figure of a network beside what is counted: in `cost`, or, of one without a part, the other parameters."""
    return tuple(Compared(figure, _found(net, figure, cost)) for figure in figures)


def _found(net: Net, figure: Published, cost: Mapping[str, Any]) -> int:
    if not figure.without:
        return int(cost[MEASURES[figure.name]])
    kept = (param for param in net.params if figure.without not in param.key.split("."))
    return sum(param.size for param in kept if param.trained)
