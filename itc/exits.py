"""Exit policies: the exit that answers each sample, from the confidence of its predictions, within a budget.

A policy has a threshold for each exit but the last. A sample takes the first exit whose confidence reaches the
threshold. Outputs of the interpreter, of a torch module and of the tile machine are arrays by label, so one function
applies a policy to all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from itc.diagnostics import fail
from itc.files import opened, write_text
from itc.ir.net import Net
from itc.ir.op import Array

Kind = Literal["probability", "margin", "entropy"]
MOST_BYTES = 1 << 20
STEPS = 60  # of the bisection over the shares of the exits: below the resolution of a float


class ExitPolicy(BaseModel):
    """Thresholds of the exits of one output; None for an exit that no sample takes. The last exit takes the rest."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    output: str = Field(min_length=1, max_length=200)
    kind: Kind
    exits: tuple[int, ...] = Field(min_length=1, max_length=10_000)
    thresholds: tuple[float | None, ...]

    @model_validator(mode="after")
    def _aligned(self) -> Self:
        if list(self.exits) != sorted(set(self.exits)) or self.exits[0] < 1:
            raise ValueError("`exits` are iterations in ascending order")
        if len(self.thresholds) != len(self.exits) - 1:
            raise ValueError(f"{len(self.exits)} exits need {len(self.exits) - 1} thresholds: the last takes the rest")
        if any(value is not None and not np.isfinite(value) for value in self.thresholds):
            raise ValueError("`thresholds` are finite numbers, or null for an exit that no sample takes")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the exits among the outputs of a net."""
        return tuple(f"{self.output}@{iteration}" for iteration in self.exits)

    def confident(self, position: int, confidences: Array) -> Array:
        """Whether samples of these confidences leave at the exit of this position, counted from 0."""
        if position == len(self.thresholds):
            return np.ones(confidences.shape, bool)
        threshold = self.thresholds[position]
        return np.zeros(confidences.shape, bool) if threshold is None else np.asarray(confidences >= threshold)


@dataclass(frozen=True, eq=False)
class Chosen:
    """For each sample the position of its exit among `ExitPolicy.exits`, and the prediction of that exit."""

    positions: Array
    predictions: Array

    def cost(self, costs: Sequence[float]) -> float:
        """The mean cost of a sample, from the cost of reaching each exit."""
        return float(np.asarray(costs, np.float64)[self.positions].mean())


def confidence(scores: Array, kind: Kind = "probability") -> Array:
    """The confidence [batch] of class scores [batch, classes] or [batch, classes, height, width] before a softmax.

    `probability`: of the most likely class; `margin`: its distance to the second; `entropy`: 1 minus the entropy over
    its maximum. Maps have the mean over their pixels.
    """
    scores = np.asarray(scores, np.float64)
    powers = np.exp(scores - scores.max(1, keepdims=True))
    shares = powers / powers.sum(1, keepdims=True)
    certain = _CERTAINTY[kind](shares)
    return np.asarray(certain.reshape(len(scores), -1).mean(1))


def _margin(shares: Array) -> Array:
    if shares.shape[1] == 1:
        return np.ones_like(shares[:, 0])
    second, first = np.moveaxis(np.partition(shares, -2, axis=1), 1, 0)[-2:]
    return np.asarray(first - second)


def _certainty(shares: Array) -> Array:
    if shares.shape[1] == 1:
        return np.ones_like(shares[:, 0])
    logarithms = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(1 + (shares * logarithms).sum(1) / np.log(shares.shape[1]))


_CERTAINTY = {"probability": lambda shares: shares.max(1), "margin": _margin, "entropy": _certainty}


def choose(policy: ExitPolicy, outputs: Mapping[str, Array]) -> Chosen:
    """The exit of each sample and its prediction; `outputs` has the scores [batch, classes, ...] of all exits by label.

    Raises CompileError (E0590) where exits of the policy are missing.
    """
    if missing := [label for label in policy.labels if label not in outputs]:
        help = f"the outputs are {', '.join(list(outputs)[:20])}"
        raise fail("E0590", f"the policy is for {', '.join(missing[:5])}, which the outputs lack", help=help)
    scores = [np.asarray(outputs[label]) for label in policy.labels]
    positions = positions_taken(policy, np.stack([confidence(each, policy.kind) for each in scores], 1))
    return Chosen(positions, np.stack(scores)[positions, np.arange(len(positions))])


def positions_taken(policy: ExitPolicy, confidences: Array) -> Array:
    """The position of the exit that each sample takes, from confidences [samples, exits]."""
    leaves = np.stack([policy.confident(position, column) for position, column in enumerate(confidences.T)], 1)
    return np.asarray(leaves.argmax(1))


def calibrate(policy: ExitPolicy, confidences: Array, costs: Sequence[float], budget: float) -> ExitPolicy:
    """The policy with thresholds at which the samples cost `budget` each in the mean, or less.

    `confidences` [samples, exits] are those of a calibration set, `costs` those of reaching each exit, in any unit:
    MACs, cycles, joules. As in MSDNet (Huang et al. 2018, section 4), exit k takes a share of the samples
    proportional to q^k; q is the largest within the budget. Raises CompileError (E0591) for a budget below the first
    exit's cost, and ValueError for arrays that do not fit.
    """
    confidences, paid = np.asarray(confidences, np.float64), np.asarray(costs, np.float64)
    if confidences.ndim != 2 or confidences.shape[1] != len(policy.exits) or not len(confidences):
        raise ValueError(f"`confidences` is [samples, {len(policy.exits)}], not {list(confidences.shape)}")
    if paid.shape != (len(policy.exits),) or not np.isfinite(paid).all() or (np.diff(paid) < 0).any():
        raise ValueError("`costs` has an ascending number for each exit")
    if not np.isfinite(confidences).all():
        raise ValueError("`confidences` has numbers that are not finite")
    if not budget >= paid[0]:
        help = f"a budget of at least {paid[0]:,g}"
        raise fail("E0591", f"a budget of {budget:,g} is below {paid[0]:,g}, the cost of the first exit", help=help)
    return _within(policy, confidences, paid, budget)


def _within(policy: ExitPolicy, confidences: Array, costs: Array, budget: float) -> ExitPolicy:
    """The policy of the largest q within the budget, by bisection over log q."""
    best = _shared(policy, confidences, -np.inf)
    low, high = -50.0, 50.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        tried = _shared(policy, confidences, middle)
        if costs[positions_taken(tried, confidences)].mean() <= budget:
            best, low = tried, middle
        else:
            high = middle
    return best


def _shared(policy: ExitPolicy, confidences: Array, growth: float) -> ExitPolicy:
    """The policy whose exits take shares of the samples proportional to exp(growth x position)."""
    samples, exits = confidences.shape
    if growth == -np.inf:
        wanted = np.array([samples] + [0] * (exits - 1))
    else:
        weights = np.exp(growth * (np.arange(exits) - (exits - 1) * (growth > 0)))
        wanted = np.diff(np.round(np.cumsum(weights / weights.sum()) * samples), prepend=0)
    remaining = np.ones(samples, bool)
    thresholds: list[float | None] = []
    for position in range(exits - 1):
        threshold = _threshold(confidences[remaining, position], int(wanted[position]))
        thresholds.append(threshold)
        if threshold is not None:
            remaining &= confidences[:, position] < threshold
    return policy.model_copy(update={"thresholds": tuple(thresholds)})


def _threshold(confidences: Array, count: int) -> float | None:
    """The threshold that the `count` most confident samples reach: midway to the next one, against rounding."""
    ordered = np.sort(confidences)[::-1]
    count = min(count, len(ordered))
    if not count:
        return None
    return float(ordered[count - 1 : count + 1].mean())


def policy_of(net: Net, output: str = "", kind: Kind = "probability") -> ExitPolicy:
    """The policy of an output with exits, by default the first, before calibration: every sample takes the last exit.

    Raises CompileError (E0590) where there is no such output.
    """
    found = next((each for each in net.outputs if each.at is not None and output in ("", each.name)), None)
    if found is None or found.at is None:
        named = ", ".join(each.name for each in net.outputs if each.at is not None)
        help = f"its outputs with exits: {named}" if named else "give an output exits: `emit y at [2, 4] = ...`"
        raise fail("E0590", f"{net.name} has no output {output or 'with exits'}", net.span, help=help)
    exits = tuple(found.at)
    return ExitPolicy(output=found.name, kind=kind, exits=exits, thresholds=(None,) * (len(exits) - 1))


def save_policy(path: str | Path, policy: ExitPolicy) -> None:
    """Writes a policy as JSON, whole or not at all. Raises CompileError (E0620, E0605)."""
    write_text(Path(path), policy.model_dump_json(indent=2) + "\n")


def load_policy(path: str | Path) -> ExitPolicy:
    """Reads a policy. Raises CompileError: E0592 for a file that is no policy or cannot be read, E0604 for a pipe or
    device."""
    try:
        with opened(Path(path)) as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise fail("E0592", f"cannot read {path}: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise fail("E0592", f"{path} is longer than {MOST_BYTES:,} bytes, and no exit policy")
    try:
        return ExitPolicy.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"]))
        reason = f"{at}: {first['msg']}" if at else first["msg"]
        raise fail("E0592", f"{path} is no exit policy: {reason}", help="write it with `save_policy`") from None
