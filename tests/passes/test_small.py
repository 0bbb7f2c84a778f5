"""A network like ItNet in full text behind each pass and pipeline, read like code; and what its backends make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from itc.driver import Network, backend_passes, find_pass, load
from itc.ir import print_net
from itc.transforms import TRANSFORMS
from tests.conftest import Golden
from tests.random_nets import difference

HERE = Path(__file__).parent
NAMES = (*TRANSFORMS, "fuse", "unroll(factor=2)", "peel(first=0, last=1)", "quantize(bits=8)")


def small(**settings: object) -> Network:
    return load(HERE / "small.itn", **settings)


@pytest.mark.parametrize("name", ["spec", *NAMES])
def test_text(name: str, golden: Golden) -> None:
    net = small() if name == "spec" else small().after(name)
    word = "".join(c if c.isalnum() else "_" for c in name).strip("_")
    golden(HERE / "golden" / f"{word}.itir", print_net(net.ir))


def test_every_pass_is_shown() -> None:
    assert set(NAMES) >= set(TRANSFORMS) | set(backend_passes())
    assert all(find_pass(name).summary for name in NAMES)


@pytest.mark.parametrize("name", ["default", "inference", "unroll", "peel", "unroll(factor=2)", "unroll(factor=3)"])
def test_backends_agree_behind_passes(name: str) -> None:
    """Torch rolled, unrolled and as source, and the tile machine: indices that are moved, exits that are split."""
    torch = pytest.importorskip("torch")
    before = small()
    net = before.after(name)
    rng = np.random.default_rng(0)
    weights = {k: v + rng.uniform(0.1, 0.5, v.shape).astype(np.float32) for k, v in before.weights().items()}
    adapted = net.adapt(weights)
    inputs = {"image": rng.random((2, 3, 16, 16), np.float32)}
    expected = before.interpret(inputs, weights)
    found = {"tile": net.compile("gc200").run(inputs, adapted)}
    written: dict[str, object] = {}
    exec(compile(net.emit(), name, "exec"), written)
    modules = {form: net.torch(form) for form in ("rolled", "unrolled")}
    modules["source"] = next(v for v in written.values() if isinstance(v, type) and v.__name__ == "Small")()
    for form, module in modules.items():
        module.eval()
        module.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in adapted.items()})
        with torch.no_grad():
            found[form] = {k: v.numpy() for k, v in module(torch.from_numpy(inputs["image"])).items()}
    for form, outputs in found.items():
        assert sorted(outputs) == sorted(expected), form
        assert max(difference(outputs[k], expected[k]) for k in expected) < 1e-4, form


@pytest.mark.parametrize("name", ["default", "unrolled", "peel", "unroll(factor=3)"])
def test_a_training_step_is_the_same(name: str) -> None:
    """Gradients and statistics behind passes that keep training, of the parameters that are left."""
    torch = pytest.importorskip("torch")
    before = small(rate=0, exits=[1, 4])
    weights = before.weights(seed=1)
    image = torch.from_numpy(np.random.default_rng(0).random((2, 3, 16, 16), np.float32))
    found = []
    for net in (before, before.after(name)):
        module = net.torch("rolled").train()
        module.load_state_dict({key: torch.from_numpy(np.array(v)) for key, v in net.adapt(weights).items()})
        sum((value * value).sum() for value in module(image).values()).backward()
        gradients = {key: p.grad.numpy() for key, p in module.named_parameters() if p.grad is not None}
        found.append(gradients | {key: value.numpy() for key, value in module.named_buffers()})
    expected, behind = found
    assert sorted(behind) == sorted(expected)
    assert len(behind) > 10
    for key, value in behind.items():
        np.testing.assert_allclose(
            value, expected[key], rtol=1e-4, atol=1e-4 * np.abs(expected[key]).max(), err_msg=key
        )


def test_weights_are_those_of_the_spec(tmp_path: Path) -> None:
    """A checkpoint of the spec's keys goes through every pass; fresh weights are the spec's too."""
    from itc.weights import save

    before = small()
    image = np.random.default_rng(0).random((1, 3, 16, 16), np.float32)
    save(tmp_path / "weights.safetensors", before.weights(seed=3))
    expected = before.interpret({"image": image}, before.weights(seed=3))
    for net in (before.after("inference"), before.after("dce", "fold-norms"), before.after("unrolled")):
        weights = net.weights(tmp_path / "weights.safetensors")
        assert set(weights) == set(net.ir.param)
        assert not any(key.startswith("refine.conv_2") for key in weights)
        outputs = net.interpret({"image": image}, weights)
        assert max(difference(outputs[k], expected[k]) for k in expected) < 1e-5
        assert all(np.array_equal(weights[k], v) for k, v in net.weights(seed=3).items())
