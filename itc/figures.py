"""Reference figures of a spec, published or counted, compared with those computed by itc."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from itc.ir.net import Net
from itc.records import dataclass
from itc.source import Span

#: The field of Cost for each figure of a spec.
MEASURES = {"params": "params", "macs": "macs", "graph": "graph_bytes", "latency": "latency", "state": "state_bytes"}


@dataclass(frozen=True, slots=True)
class Published:
    """A figure: its text, its value, and the tolerance of its rounding, 0 if exact.

    `name` is a key of MEASURES; `kind` is `published` (by a paper) or `counted` (from a definition of the layers);
    `source` is its source, by default the network's own paper; `without` is the segment of keys whose
    parameters are excluded.
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
        """Its description."""
        part = f" without {self.without}" if self.without else ""
        return f"{self.kind}{part}{f', {self.source}' if self.source else ''}"

    def json(self) -> dict[str, Any]:
        return {"text": self.text, "value": self.value}


@dataclass(frozen=True, slots=True)
class Compared:
    """A reference figure and the computed value."""

    figure: Published
    found: int

    @property
    def off(self) -> float:
        """The relative deviation of the computed value from the figure."""
        return self.found / self.figure.value - 1

    @property
    def met(self) -> bool:
        """Whether the computed value rounds to the figure, or equals an exact one."""
        return abs(self.found - self.figure.value) <= self.figure.rounding * (1 + 1e-9)

    @property
    def text(self) -> str:
        """The deviation as text: `=` if there is none, with `≈` if it is within the rounding."""
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
    """Each reference figure with the computed value: of `cost`, or, for `without`, of the other parameters."""
    return tuple(Compared(figure, _found(net, figure, cost)) for figure in figures)


def _found(net: Net, figure: Published, cost: Mapping[str, Any]) -> int:
    if not figure.without:
        return int(cost[MEASURES[figure.name]])
    kept = (param for param in net.params if figure.without not in param.key.split("."))
    return sum(param.size for param in kept if param.learned)
