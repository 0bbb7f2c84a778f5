"""Every network of `examples/`, found there, at an input small enough to run in NumPy: nets, weights and inputs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from itc.driver import Network, load, names
from itc.ir.op import Array
from tests.random_nets import random_inputs, random_weights
from tests.zoo.figures import EXAMPLES, tokens_as_integers

Settings = dict[str, Any]

#: Of every network of a file: its own depth and width at a reduced input. A file that is not here has its own size.
REDUCED: dict[str, Settings] = {
    "albert": {"words": 11, "embedding": 8, "width": 12, "heads": 2, "inner": 16, "depth": 3, "positions": 9}
    | {"segments": 5, "tokens": 6},
    "cgnet": {"height": 40, "width": 48},
    "cornet": {"size": 32, "width": 32, "classes": 10},
    "deep_thinking": {"width": 8, "times": 4, "exits": [1, 4], "size": 8},
    "drrn": {"width": 8, "units": 4, "size": 8},
    "enet": {"height": 40, "width": 48},
    "espnetv2": {"height": 64, "width": 96},
    "faster_rcnn": {"height": 96, "width": 128, "count": 6},
    "faster_rcnn_iterative": {"height": 96, "width": 128, "count": 6},
    "flow": {"width": 16, "hidden": 16, "reach": 1, "height": 32, "wide": 48, "times": 3},
    "hrm": {"layers": 1, "width": 16, "heads": 2, "inner": 24, "tokens": 5, "words": 5, "steps": 2},
    "iamnn": {"size": 32},
    "iterative_net": {"size": 32},
    "itnet": {"height": 48, "width": 64},
    "mobilenet_v2": {"size": 64},
    "neural_ca": {"inner": 8, "times": 4, "size": 8},
    "recurrent_depth": {"words": 11, "width": 16, "heads": 2, "inner": 24, "prelude": 1, "depth": 2, "coda": 1}
    | {"times": 3, "exits": [1, 3], "tokens": 6},
    "recurrent_unet": {"height": 32, "width": 48},
    "resnet": {"size": 32},
    # With weights of gain one, 16 steps of three cycles of seven calls are chaotic, and float32 says nothing of them.
    "tiny_recursive_model": {"width": 16, "heads": 2, "tokens": 5, "prefix": 2, "words": 5}
    | {"steps": 2, "cycles": 2, "thoughts": 2},
    "universal_transformer": {"width": 32, "heads": 4, "inner": 64, "words": 11, "tokens": 9},
    "upernet": {"size": 64},
    "upernet_iterative": {"size": 64},
}
#: The CIFAR forms do not halve the input in their stems.
REDUCED_NETWORK: dict[str, Settings] = {f"resnet{n}_cifar10": {"size": 16} for n in (18, 34, 50, 101, 152)}
REDUCED_NETWORK["cornet_s"] = {"width": 8}
#: What is smaller still in the quick suite, which has one network of a file.
QUICK: dict[str, Settings] = {
    "faster_rcnn": {"depths": [1, 1, 1, 1], "classes": 4, "height": 64, "width": 96},
    "faster_rcnn_iterative": {"depths": [2, 2, 2, 2], "e": 1},
    "resnet": {"depths": [1, 2, 2, 1]},
    "upernet": {"depths": [2, 1, 2, 1], "width": 32, "classes": 5},
    "upernet_iterative": {"depths": [2, 2, 2, 2], "e": 1, "width": 32, "classes": 5},
}
#: Seeds of the weights where those of seed 0 amplify rounding (float64 and float32 differ by more than 1e-5).
SEEDS = {"faster_rcnn101": 2, "faster_rcnn152": 3, "cifar10_e1": 1}


@cache
def networks() -> tuple[tuple[Path, str], ...]:
    """Every network of every file, as the file and its name; the first of a file first."""
    return tuple((path, name) for path in sorted(EXAMPLES.glob("*.itn")) for name in names(path))


def first_networks() -> tuple[tuple[Path, str], ...]:
    """The default network of each file."""
    return tuple((path, names(path)[0]) for path in sorted(EXAMPLES.glob("*.itn")))


#: Networks whose values take seconds even at a reduced input: for the long suite.
HEAVY = frozenset({
    "cgnet", "enet", "espnetv2", "faster_rcnn101", "faster_rcnn_iterative", "iterative_net", "upernet50",
    "upernet_iterative",
})  # fmt: skip


def light_networks() -> tuple[tuple[Path, str], ...]:
    """The default network of each file, but for the heavy ones."""
    return tuple((path, name) for path, name in first_networks() if name not in HEAVY)


def reduced(path: Path, name: str, **settings: Any) -> Network:
    """A network at its reduced input."""
    return load(path, name, **REDUCED.get(path.stem, {}) | REDUCED_NETWORK.get(name, {}) | settings)


def weights_and_inputs(net: Network, batch: int, seed: int) -> tuple[dict[str, Array], dict[str, Array]]:
    """Random weights, norm statistics and scales, and inputs; tokens are ids that every vocabulary has."""
    return random_weights(net.ir, seed), tokens_as_integers(net.ir, random_inputs(net.ir, batch, seed))
