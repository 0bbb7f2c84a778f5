"""Checkpoints with torchvision's names: they reach the right layers, and the networks give the same values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner, Result

import itc
from itc.checkpoints import import_weights
from itc.cli import app
from itc.diagnostics import CompileError
from itc.ir.op import Array
from itc_torch import load_weights, run
from tests.checkpoints.torchvision_layout import RESNETS, build

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES, LARGE = [*RESNETS, "mobilenet_v2"], ("resnet101", "resnet152")


def spec(name: str) -> Path:
    return EXAMPLES / ("mobilenet_v2.itn" if name == "mobilenet_v2" else "resnet.itn")


def arrays(module: nn.Module) -> dict[str, Array]:
    return {key: value.numpy() for key, value in module.state_dict().items()}


def invoke(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "mobilenet_v2"])
def test_the_network_is_the_one_written_by_hand(name: str, tmp_path: Path) -> None:
    """The whole way: a file with torchvision's names, the command, and the outputs of both modules."""
    theirs = build(name)
    save_file(theirs.state_dict(), tmp_path / "theirs.safetensors")
    result = invoke("weights", "import", tmp_path / "theirs.safetensors", "--spec", spec(name), "--network", name)
    assert result.exit_code == 2, "there is no -o"
    options = ("--spec", spec(name), "--network", name, "-o", tmp_path / "ours.safetensors")
    result = invoke("weights", "import", tmp_path / "theirs.safetensors", *options)
    assert result.exit_code == 0, result.output
    net = itc.load(spec(name), name, size=96)
    module = net.torch()
    load_weights(module, net.weights(tmp_path / "ours.safetensors"))
    image = np.random.default_rng(0).normal(size=(2, 3, 96, 96)).astype(np.float32)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(image)).numpy()
    found = run(module, {"image": image})["label"]
    assert np.abs(expected).max() > 10 * 1e-5
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.long if n in LARGE else []) for n in NAMES])
def test_every_tensor_has_its_place(name: str) -> None:
    net = itc.load(spec(name), name).ir
    theirs = arrays(build(name))
    found = import_weights(theirs, net, "file")
    assert not found.unused
    assert not found.missing
    assert set(found.ignored) == {key for key in theirs if key.endswith("num_batches_tracked")}
    assert len(found.keys) == len(net.params) == len(theirs) - len(found.ignored)
    assert all(np.array_equal(found.weights[own], theirs[key]) for key, own in found.keys.items())
    kinds = [(key.rpartition(".")[2], own.rpartition(".")[2]) for key, own in found.keys.items()]
    assert all(their == own for their, own in kinds)


@pytest.mark.parametrize(
    ("name", "theirs", "ours"),
    [
        ("resnet50", "conv1.weight", "stem.conv.weight"),
        ("resnet50", "layer1.0.conv3.weight", "stage.0.unit.0.conv_3.weight"),
        ("resnet50", "layer1.0.downsample.0.weight", "stage.0.unit.0.conv_4.weight"),
        ("resnet50", "layer1.0.downsample.1.running_var", "stage.0.unit.0.norm_4.running_var"),
        ("resnet50", "layer3.5.bn2.bias", "stage.2.unit.5.norm_2.bias"),
        ("resnet18", "layer4.1.conv2.weight", "stage.3.unit.1.conv_2.weight"),
        ("resnet18", "fc.bias", "classify.linear.bias"),
        ("mobilenet_v2", "features.0.0.weight", "stem.conv.weight"),
        ("mobilenet_v2", "features.1.conv.1.weight", "inverted_residual.0.0.conv_2.weight"),
        ("mobilenet_v2", "classifier.1.weight", "classify.linear.weight"),
    ],
)
def test_these_are_the_same(name: str, theirs: str, ours: str) -> None:
    found = import_weights(arrays(build(name)), itc.load(spec(name), name).ir, "file")
    assert found.keys[theirs] == ours


def test_a_backbone_for_other_classes_or_in_a_detector() -> None:
    """What a checkpoint of ImageNet is taken for: all but the classifier, in a network whose own heads stay fresh."""
    theirs = arrays(build("resnet101"))
    for path, name, settings in [
        (spec("resnet101"), "resnet101", {"classes": 7}),
        (EXAMPLES / "faster_rcnn.itn", "faster_rcnn101", {}),
    ]:
        net = itc.load(path, name, **settings).ir
        with pytest.raises(CompileError, match="E0652"):
            import_weights(theirs, net, "file")
        found = import_weights(theirs, net, "file", partial=True)
        assert {layer.path for layer in found.unused} == {"fc"}
        assert not any("bottleneck" in layer.path or "stem" in layer.path for layer in found.missing)
        assert len(found.keys) == len(theirs) - len(found.ignored) - 2
        assert found.weights.keys() == {param.key for param in net.params}


def test_a_network_of_other_depth_is_not_taken_for_this_one() -> None:
    with pytest.raises(CompileError) as error:
        import_weights(arrays(build("resnet18")), itc.load(spec("resnet34"), "resnet34").ir, "file")
    assert {diagnostic.code for diagnostic in error.value.diagnostics} <= {"E0652", "E0653"}
