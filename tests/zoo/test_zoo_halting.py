"""Every network of `examples/` that halts: how long each image runs, ponder cost and gradients, in all forms the same.

The scores' weights are drawn so that images differ in how long they run. An image of which a sum of scores comes as
near to its threshold as rounding moves such sums may halt an iteration earlier or later for rounding alone: such images
are named and left out.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import itc.interpreter
from itc.driver import Network
from itc.halting import Halting
from itc.ir import Apply, Loop, Net, Value, walk
from itc.ir.op import Array
from itc_torch import load_weights, ponder_cost, run
from tests.rounding import MOST, RESULTS, rounded, tolerance
from tests.zoo.reduced import networks, reduced, weights_and_inputs

CLOSE = 1e-4
#: A loop's first scores before the sigmoid: mean and standard deviation over the images; and the most to stretch them.
CENTRE, SPREAD, STEEPEST = -1.0, 1.0, 3000.0
BATCH, TRAINED = 128, 6
QUICK = ("cifar10_e1_separable", "universal_transformer_act", "tiny_recursive_model_halting")
#: Narrow, so that a batch is affordable; their depths are the papers'.
NARROW: dict[str, dict[str, Any]] = {
    "iamnn": {"width": 8, "size": 32},
    "iterative_net": {"width": 8, "size": 16},
    "faster_rcnn_iterative": {"e": 1, "height": 64, "width": 64, "count": 2, "depths": [3, 4, 6, 3]},
    "tiny_recursive_model": {"cycles": 1, "thoughts": 2, "steps": 4},
    "universal_transformer": {"tokens": 4},
    "upernet_iterative": {"e": 1, "size": 32, "width": 16, "depths": [3, 4, 6, 3]},
}
BATCHES = {"faster_rcnn_iterative": 6, "upernet_iterative": 12}
#: Where the weights of seed 1 let all images halt alike, or are so steep that rounding shows.
SEEDS = {"iterative_net_double": 3, "cifar10_e3_separable": 2, "cifar10_e1": 2, "iamnn": 2, "upernet_iterative": 2}


def halting_loops(net: Net) -> list[Loop]:
    return [s for s in walk(net.body) if isinstance(s, Loop) and s.halt]


def halting() -> list[Any]:
    """The networks of the files in which something halts, or is imported that does; those not in QUICK are long."""
    found = [
        (path, name) for path, name in networks() if "@halt" in path.read_text() or "iterative_net" in path.read_text()
    ]
    marks = {name: [] if name in QUICK else [pytest.mark.long] for _, name in found}
    return [pytest.param(path, name, id=name, marks=marks[name]) for path, name in found]


@cache
def narrow(path: Path, name: str) -> Network:
    return reduced(path, name, **NARROW.get(path.stem, {}))


def steep(net: Network, weights: dict[str, Array], inputs: dict[str, Array], patch: pytest.MonkeyPatch) -> None:
    """Draws the scores' weights so that in a loop's first iteration the images differ, and most of them run on."""
    layers = {loop.halt.score.name: score_layer(net.ir, loop.halt.score) for loop in halting_loops(net.ir) if loop.halt}
    rng = np.random.default_rng(7)
    for weight, bias in layers.values():
        drawn = rng.normal(size=net.ir.param[weight].shape) / 1000
        weights[weight], weights[bias] = drawn.astype(np.float32), np.zeros_like(weights[bias])
    for _ in range(2):  # what halts in one loop changes what the next one sees
        record(net, inputs, weights, patch)
        for name, (weight, bias) in layers.items():
            scores = np.clip(Recorded.first[name], 1e-6, 1 - 1e-6)
            logits = np.log(scores) - np.log1p(-scores)
            steepness = np.clip(SPREAD / max(float(logits.std()), 1e-9), 1 / STEEPEST, STEEPEST)
            weights[weight] = np.float32(steepness) * weights[weight]
            weights[bias] = np.float32(steepness) * weights[bias] + np.float32(CENTRE - steepness * logits.mean())


def score_layer(net: Net, score: Value) -> tuple[str, str]:
    """The keys of weight and bias of the linear layer under a score's sigmoid."""
    made = {value: s for s in walk(net.body) if isinstance(s, Apply) for value in s.results}
    linear = made[score]
    while not linear.refs:
        (value,) = linear.values
        linear = made[value]
    weight, bias = linear.refs
    return weight.key, bias.key


class Recorded(Halting):
    """A loop's halting that keeps its first scores, and how near each image's sums or scores came to the threshold."""

    nearest: ClassVar[list[Array]] = []
    summed: ClassVar[list[Array]] = []
    first: ClassVar[dict[str, Array]] = {}

    def step(self, score: Array, before: list[Array], after: list[Array], iteration: int) -> list[Array]:
        self.first.setdefault(self.halt.score.name, score.astype(np.float64))
        total = self.total if iteration > 1 else np.zeros_like(score)
        running = self.running.copy() if iteration > 1 else np.ones(score.shape, bool)
        found = total + score if self.halt.kind == "act" else score
        bound = 1 - self.halt.limit if self.halt.kind == "act" else self.halt.limit
        carries = super().step(score, before, after, iteration)
        distance = np.where(running, np.abs(found - bound), np.inf)
        self.summed.append(np.where(running, found, np.nan))
        self.nearest.append(distance.reshape(len(distance), -1).min(1))
        return carries


def record(
    net: Network, inputs: dict[str, Array], weights: dict[str, Array], patch: pytest.MonkeyPatch, errors: bool = False
) -> dict[str, Array]:
    """The interpreter's outputs, with `errors` in float64 with those of float32; what it saw is in `Recorded`."""
    Recorded.nearest, Recorded.summed, Recorded.first = [], [], {}
    with patch.context() as context:
        context.setattr(itc.interpreter, "Halting", Recorded)
        return rounded(net.ir, inputs, weights) if errors else net.interpret(inputs, weights)


def moved(summed: list[Array], with_errors: list[Array]) -> float:
    """The most by which rounding moves a score, or a sum of scores, of an image that still runs in both."""
    off = [np.abs(a - b) for a, b in zip(summed, with_errors, strict=False)]
    return max(float(np.nanmax(each)) for each in off if np.isfinite(each).any())


def case(
    path: Path, name: str, batch: int, patch: pytest.MonkeyPatch
) -> tuple[Network, dict[str, Array], dict[str, Array]]:
    """The network, weights, and inputs of growing contrast."""
    net = narrow(path, name)
    if not halting_loops(net.ir):
        pytest.skip("nothing of it halts")
    weights, inputs = weights_and_inputs(net, batch, SEEDS.get(name, 1))
    contrast = np.linspace(0.1, 4, batch, dtype=np.float32)
    for key, value in inputs.items():
        if value.dtype.kind == "f":
            inputs[key] = value * contrast.reshape(-1, *(1,) * (value.ndim - 1))
    steep(net, weights, inputs, patch)
    return net, weights, inputs


@pytest.mark.parametrize(("path", "name"), halting())
def test_each_image_runs_as_long_in_every_form(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, weights, inputs = case(path, name, BATCHES.get(path.stem, BATCH), monkeypatch)
    with_errors = record(net, inputs, weights, monkeypatch, errors=True)
    summed = Recorded.summed
    wanted = record(net, inputs, weights, monkeypatch)
    near = RESULTS * moved(Recorded.summed, summed)
    assert near <= MOST
    kept = np.min(Recorded.nearest, axis=0) > near
    left_out = np.flatnonzero(~kept)
    print(f"{name}: left out {left_out.tolist()} of {len(kept)} images")
    assert len(left_out) <= 0.01 * len(kept)
    labels = [label for label in wanted if label.endswith(".iterations")]
    counts = {label: sorted({int(n) for n in wanted[label].ravel()}) for label in labels}
    print(f"{name}: iterations {counts}")
    if max(loop.count for loop in halting_loops(net.ir)) >= 3:
        assert max(map(len, counts.values())) >= 3
    for form in ("rolled", "unrolled"):
        module = net.torch(form)
        load_weights(module, weights)
        found = run(module, inputs)
        for label, value in wanted.items():
            if label in labels:
                np.testing.assert_array_equal(found[label][kept], value[kept], form)
            else:
                off = np.abs(found[label][kept] - value[kept]).max()
                assert off <= tolerance(with_errors[label][kept], value[kept]), (form, label)
        pondered = [
            float(ponder_cost(net.ir, {label: torch.from_numpy(value[kept]) for label, value in outputs.items()}))
            for outputs in (found, wanted)
        ]
        assert pondered[0] == pytest.approx(pondered[1], rel=1e-5), form


@pytest.mark.parametrize(("path", "name"), halting())
def test_gradients_are_finite_and_equal(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net, weights, inputs = case(path, name, TRAINED, monkeypatch)
    gradients = []
    for form in ("rolled", "unrolled"):
        module = net.torch(form).eval()
        load_weights(module, weights)
        outputs = module(*(torch.from_numpy(value) for value in inputs.values()))
        values = [v for label, v in outputs.items() if not label.endswith((".iterations", ".remainder"))]
        loss = torch.stack([(v / v.detach().abs().max()).square().mean() for v in values]).sum()
        (loss + ponder_cost(net.ir, outputs)).backward()
        gradients.append({key: p.grad for key, p in module.named_parameters() if p.grad is not None})
    rolled, unrolled = gradients
    assert rolled.keys() == unrolled.keys()
    assert rolled
    assert any(bool(value.any()) for value in rolled.values())
    for key, value in rolled.items():
        assert torch.isfinite(value).all(), key
        assert (value - unrolled[key]).abs().max() <= CLOSE * max(float(unrolled[key].abs().max()), 1e-6), key
