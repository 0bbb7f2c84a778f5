"""The training loss of a net: its `@loss` annotations as weighted terms over outputs and targets, and ponder costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from itc.ir import Net, Output, SeriesType, TensorType
from itc_torch import functions
from itc_torch.ponder import Ponder, ponders

#: The function of each kind. Kinds over classes move the class axis behind the batch, where PyTorch has it.
KINDS = {
    "cross_entropy": functions.cross_entropy,
    "mse": functions.mse,
    "l1": functions.l1,
    "huber": functions.huber,
    "bce": functions.bce,
    "kl": functions.kl,
}
OVER_CLASSES = ("cross_entropy", "kl")
IGNORE = -100


@dataclass(frozen=True, slots=True)
class Term:
    """The loss of one output: its kind, its target, the axis of the classes, and per label the share of the whole."""

    output: Output
    kind: str
    target: str
    class_axis: int
    shares: tuple[float, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return self.output.labels


@dataclass(frozen=True, slots=True)
class Loss:
    """Equation 1 of Pfeil 2021: the sum of the terms' losses, whose shares sum to 1; and the ponder costs."""

    terms: tuple[Term, ...]
    ponders: tuple[Ponder, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(term.target for term in self.terms))

    def __call__(
        self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor] | Tensor, ignore_index: int = IGNORE
    ) -> Tensor:
        named = self._named(targets)
        parts = [self._part(term, outputs, named, ignore_index) for term in self.terms]
        return sum([*parts, *(ponder.cost(outputs) for ponder in self.ponders)][1:], parts[0])

    def _part(
        self, term: Term, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor], ignore_index: int
    ) -> Tensor:
        options = {"class_axis": term.class_axis} if term.kind in OVER_CLASSES else {}
        options |= {"ignore_index": ignore_index} if term.kind == "cross_entropy" else {}
        function, target = KINDS[term.kind], targets[term.target]
        parts = [
            share * function(outputs[label], target, **options)
            for label, share in zip(term.labels, term.shares, strict=True)
        ]
        return sum(parts[1:], parts[0])

    def _named(self, targets: Mapping[str, Tensor] | Tensor) -> Mapping[str, Tensor]:
        """The targets by name. Raises ValueError for a net without a loss, and for targets that are missing."""
        if not self.terms:
            raise ValueError("no output of the network has a loss: write `@loss(...)` above an `emit`")
        if isinstance(targets, Tensor):
            if len(self.targets) > 1:
                raise ValueError(f"there are several targets: give a dict of {', '.join(self.targets)}")
            return {self.targets[0]: targets}
        missing = [name for name in self.targets if name not in targets]
        if missing:
            given = ", ".join(targets) or "none"
            raise ValueError(
                f"the targets have no `{missing[0]}`; the loss needs {', '.join(self.targets)}, given {given}"
            )
        return targets


def loss_of(net: Net) -> Loss:
    """The loss of a net; the shares of all terms together sum to 1."""
    trained = [(output, _weights(output)) for output in net.outputs if output.loss]
    total = sum(weight for _, weights in trained for weight in weights)
    terms = (_term(output, tuple(weight / total for weight in weights)) for output, weights in trained)
    return Loss(tuple(terms), ponders(net))


def _term(output: Output, shares: tuple[float, ...]) -> Term:
    axis = _element(output).channel_axis
    # Behind one or two axes of positions PyTorch has the classes where maps and vectors have them.
    return Term(output, output.loss, output.target or output.name, axis, shares)


def _element(output: Output) -> TensorType:
    type = output.value.type
    return type.element if isinstance(type, SeriesType) else type


def _weights(output: Output) -> tuple[float, ...]:
    """A weight for each label."""
    return output.weights * len(output.labels) if len(output.weights) == 1 else output.weights
