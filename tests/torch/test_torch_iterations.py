"""Iterations at run time: modules of every form as the interpreter, on the module's own parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import itc
from itc.diagnostics import CompileError
from itc_torch import load_weights

SPEC = """
@share(all)
output head(x):
    return x |> conv(4, 1) |> batch_norm

@loop(times)
iterative refine(carry x, times):
    x = x + (x |> conv(channels(x), 3) |> relu)

network n(times=4, exits=[1, 2, 4]):
    input image: f32[3, 6, 5]
    x = refine(image, times)
    @loss(mse, weight=iteration)
    emit y = head(x) at exits
"""
PRIVATE = SPEC.replace("@loop(times)", "@loop(times)\n@share(none)")


def network(folder: Path, text: str = SPEC) -> itc.Network:
    (folder / "n.itn").write_text(text)
    return itc.load(folder / "n.itn")


@pytest.mark.parametrize("form", ["rolled", "unrolled"])
@pytest.mark.parametrize("count", [1, 3, 9])
def test_as_the_interpreter(tmp_path: Path, form: str, count: int) -> None:
    net = network(tmp_path)
    drawn = net.weights(seed=3)
    module = net.torch(form)
    module(torch.rand(2, 3, 6, 5), iterations=2)
    load_weights(module.eval(), drawn)
    image = np.random.default_rng(0).random((2, 3, 6, 5), np.float32)
    expected = net.interpret({"image": image}, drawn, iterations=count)
    for iterations in (count, {"refine": count}):
        found = module(torch.from_numpy(image), iterations=iterations)
        assert list(found) == list(expected)
        one_by_one = dict(module.iterate(torch.from_numpy(image), iterations=iterations))
        for label, value in expected.items():
            assert np.allclose(found[label].detach().numpy(), value, rtol=1e-4, atol=1e-5)
            assert torch.equal(one_by_one[label], found[label])


def test_training_with_other_iterations_is_of_the_same_parameters(tmp_path: Path) -> None:
    module = network(tmp_path).torch()
    outputs = module(torch.rand(2, 3, 6, 5), iterations=6)
    assert list(outputs) == ["y@1", "y@2", "y@6"]
    loss = module.loss(outputs, torch.rand(2, 4, 6, 5))
    loss.backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    statistics = dict(module.named_buffers())["head.batch_norm.running_mean"]
    assert statistics.abs().max() > 0
    doubled = module.double()(torch.rand(2, 3, 6, 5).double(), iterations=6)
    assert doubled["y@6"].dtype == torch.float64


def test_private_parameters_limit_the_iterations(tmp_path: Path) -> None:
    module = network(tmp_path, PRIVATE).torch()
    assert list(module(torch.rand(1, 3, 6, 5), iterations=3)) == ["y@1", "y@2", "y@3"]
    with pytest.raises(CompileError, match=r"E0422.*`refine\.conv\.weight` has 4 sets"):
        module(torch.rand(1, 3, 6, 5), iterations=5)
    with pytest.raises(CompileError, match=r"E0423.*no loop `mix`"):
        module(torch.rand(1, 3, 6, 5), iterations={"mix": 5})
    with pytest.raises(CompileError, match="E0424"):
        module(torch.rand(1, 3, 6, 5), iterations=0)
