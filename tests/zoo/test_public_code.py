"""Every example against the public code that it stands for, or the reason why not, which its file states."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from itc.driver import load
from tests.zoo import public_code as public
from tests.zoo.reduced import EXAMPLES, weights_and_inputs

TRM: dict[str, Any] = {"width": 16, "heads": 2, "tokens": 5, "prefix": 2, "words": 5}
TRM |= {"steps": 2, "cycles": 2, "thoughts": 2}
UT: dict[str, Any] = {"width": 8, "heads": 2, "inner": 12, "words": 5, "tokens": 6, "steps": 3}
RCNN: dict[str, Any] = {"depths": [1, 1, 1, 1], "classes": 4, "count": 4}
UPERNET: dict[str, Any] = {"depths": [1, 1, 1, 1], "classes": 5, "width": 32}

#: Network, settings, and the same network of public code.
COMPARED: dict[str, tuple[str, dict[str, Any], Any]] = {
    "cgnet": ("cgnet", {"height": 40, "width": 48, "n": 3}, partial(public.cgnet, n=3)),
    "enet": ("enet", {"height": 40, "width": 48}, public.enet),
    "espnetv2": ("espnetv2", {"height": 64, "width": 96}, public.espnetv2),
    "faster_rcnn": ("faster_rcnn101", RCNN | {"height": 64, "width": 96}, partial(public.faster_rcnn, **RCNN)),
    "tiny_recursive_model": (
        "tiny_recursive_model", TRM, partial(public.tiny_recursive_model, mixing=True, **TRM)
    ),
    "tiny_recursive_model, with attention": (
        "tiny_recursive_model_attention", TRM, partial(public.tiny_recursive_model, mixing=False, **TRM)
    ),
    "upernet": ("upernet50", UPERNET | {"size": 64}, partial(public.upernet, **UPERNET)),
}  # fmt: skip

#: The same, of the equations of a paper.
EQUATIONS = {
    "universal_transformer": ("universal_transformer", UT, partial(public.universal_transformer, **UT)),
}

#: Examples that another test compares: the test, and a text that it has.
ELSEWHERE = {
    "resnet": ("tests/checkpoints/test_torchvision_names.py", "test_the_network_is_the_one_written_by_hand"),
    "mobilenet_v2": ("tests/checkpoints/test_torchvision_names.py", '"mobilenet_v2"'),
}

#: Examples that are not compared with public code; their header says so, in these words.
NO_PUBLIC_CODE = "no public code"
NOT_COMPARED = "not compared"
STATED = {
    "albert": NOT_COMPARED,
    "cornet": NOT_COMPARED,
    "deep_thinking": NOT_COMPARED,
    "drrn": NOT_COMPARED,
    "flow": NO_PUBLIC_CODE,
    "hrm": NOT_COMPARED,
    "neural_ca": NOT_COMPARED,
    "recurrent_depth": NOT_COMPARED,
    "faster_rcnn_iterative": NO_PUBLIC_CODE,
    "iamnn": NO_PUBLIC_CODE,
    "iterative_net": NO_PUBLIC_CODE,
    "itnet": NO_PUBLIC_CODE,
    "recurrent_unet": NOT_COMPARED,
    "universal_transformer": NOT_COMPARED,
    "upernet_iterative": NO_PUBLIC_CODE,
}


def test_every_example_is_compared_or_says_why_not() -> None:
    compared = {name.partition(",")[0] for name in COMPARED}
    kinds = [compared, ELSEWHERE.keys(), STATED.keys()]
    files = {path.stem for path in EXAMPLES.glob("*.itn")}
    assert sorted(name for kind in kinds for name in kind) == sorted(files)


@pytest.mark.parametrize("name", STATED)
def test_the_reason_is_in_the_header(name: str) -> None:
    lines = (EXAMPLES / f"{name}.itn").read_text(encoding="utf-8").splitlines()
    header = lines[: next(at for at, line in enumerate(lines) if not line.startswith("#"))]
    assert STATED[name] in " ".join(line.removeprefix("# ") for line in header)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_other_test_is_there(name: str) -> None:
    path, text = ELSEWHERE[name]
    assert text in (Path(__file__).parents[2] / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*COMPARED, *EQUATIONS])
def test_values_are_those_of_public_code(name: str) -> None:
    """With the same random weights, in float64: to 1e-5 of the largest value, and no weight is left over."""
    network, settings, written = (COMPARED | EQUATIONS)[name]
    net = load(EXAMPLES / f"{name.partition(',')[0]}.itn", network, **settings)
    weights, inputs = (
        {key: doubled(array) for key, array in arrays.items()} for arrays in weights_and_inputs(net, 2, 0)
    )
    found = net.interpret(inputs, weights)
    layers = public.Layers({key: torch.from_numpy(array) for key, array in weights.items()})
    with torch.no_grad():
        expected = written(layers, {key: torch.from_numpy(array) for key, array in inputs.items()})
    assert not layers.left
    assert found.keys() == expected.keys()
    for label, value in expected.items():
        scale = float(value.abs().max())
        assert float(value.std()) > 1e-3 * scale
        np.testing.assert_allclose(found[label], value.numpy(), rtol=0, atol=1e-5 * scale, err_msg=label)


def doubled(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return array.astype(np.float64) if np.issubdtype(array.dtype, np.floating) else array
