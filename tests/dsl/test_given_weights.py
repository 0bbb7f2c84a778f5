"""Weights that calls are given, statistics of their own, and volumes: what a spec says of parameters and axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom

from itc.analysis.cost import cost
from itc.diagnostics import CompileError
from itc.interpreter import interpret
from itc.ir import Net
from itc.source import Source
from itc.weights import initial
from itc_dsl import load_net
from tests.random_nets import random_inputs, random_weights
from tests.torch.forms import MAKERS

Array = np.ndarray[Any, Any]

TIED = """
network tied(n=50, c=8):
    input ids: i64[6]
    table = param([n, c], init=normal, std=0.02, name="words")
    x = embed(ids, table=table)
    emit y = linear(x, weight=table, bias=false)
"""
SOBEL = [-1, 0, 1, -2, 0, 2, -1, 0, 1]
KERNELS = f"""
network n:
    input x: f32[2, 6, 7]
    input k: f32[4, 1, 3, 1]
    emit fixed = convolve(slice(x, 0, 1), param([1, 1, 3, 3], values={SOBEL}, train=false, name="sobel"))
    emit trained = convolve(x, param([3, 2, 1, 1], init=kaiming, name="trained"), stride=2)
    emit computed = convolve(x, k * 2, pad=[1, 0], groups=2)
"""
NORM = """
@loop(times)
@share(all, private={private})
iterative refine(carry x, times):
    x = x + (x |> conv(channels(x), 3) |> batch_norm |> relu)

network m(times=3):
    input x: f32[4, 9, 7]
    emit a = refine(x, times)
"""
VOLUMES = """
network n:
    input video: f32[5, 3, 8, 8]
    input words: f32[9, 4]
    emit video = video |> conv3d(6, [3, 3, 1], stride=[1, 2, 1], bias=true) |> batch_norm |> relu |> max_pool3d(2)
    emit words = words |> conv1d(6, 5, groups=2) |> batch_norm |> avg_pool1d(3, stride=2, pad=1)
"""


def net_of(text: str) -> Net:
    return load_net(Source("spec.itn", text))


def test_a_tied_table_is_one_parameter() -> None:
    net = net_of(TIED)
    assert {param.key: param.size for param in net.params} == {"words.weight": 400}
    assert [apply.op.name for apply in net.body] == ["embed", "linear"]  # type: ignore[union-attr]
    weights, ids = initial(net), np.arange(12).reshape(2, 6)
    table = weights["words.weight"]
    np.testing.assert_allclose(interpret(net, {"ids": ids}, weights)["y"], table[ids] @ table.T, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("form", MAKERS)
def test_both_uses_train_a_tied_table(form: str) -> None:
    module = MAKERS[form](net_of(TIED))
    assert sum(parameter.numel() for parameter in module.parameters()) == 400
    (table,) = module.parameters()
    ids = torch.tensor([[1, 2, 3, 4, 5, 6]])
    module(ids)["y"].sum().backward()
    own = table.detach().clone().requires_grad_()
    (F.embedding(ids, own) @ own.T).sum().backward()
    torch.testing.assert_close(table.grad, own.grad)


def test_kernels_are_fixed_trained_or_computed() -> None:
    net = net_of(KERNELS)
    assert {param.key: param.role for param in net.params} == {"sobel.weight": "constant", "trained.weight": "weight"}
    inputs, weights = random_inputs(net, 2), initial(net)
    x, k = (torch.from_numpy(inputs[name]) for name in "xk")
    found = interpret(net, inputs, weights)
    sobel = torch.tensor(SOBEL, dtype=torch.float32).reshape(1, 1, 3, 3)
    expected = {
        "fixed": F.conv2d(x[:, :1], sobel, padding=1),
        "trained": F.conv2d(x, torch.from_numpy(weights["trained.weight"]), stride=2),
        "computed": torch.cat([F.conv2d(x[i : i + 1], 2 * k[i], padding=(1, 0), groups=2) for i in range(2)]),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value.numpy(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("private", "sets"),
    [("statistics", (1, 3)), ("[running_mean, running_var]", (1, 3)), ("norm", (3, 3)), ("batch_norm", (3, 3))],
)
def test_statistics_of_each_iteration(private: str, sets: tuple[int, int]) -> None:
    """With one scale and shift: 4 x 4 x 9 weights, and 4 numbers a set of each."""
    net = net_of(NORM.format(private=private))
    counts = {param.key.rpartition(".")[2]: param.size // 4 for param in net.params if "norm" in param.key}
    trained, stored = sets
    assert counts == {"weight": trained, "bias": trained, "running_mean": stored, "running_var": stored}
    assert cost(net).params == 144 + 8 * trained


@pytest.mark.parametrize("form", MAKERS)
def test_training_updates_the_statistics_of_its_iteration(form: str) -> None:
    net = net_of(NORM.format(private="statistics"))
    module = MAKERS[form](net).train()
    module(torch.from_numpy(random_inputs(net, 3)["x"]))["a"].sum().backward()
    means = dict(module.named_buffers())
    (mean,) = (value for name, value in means.items() if name.endswith("running_mean"))
    assert mean.shape == (3, 4)
    assert all(bool(set_.abs().min() > 0) for set_ in mean)
    assert not torch.equal(mean[0], mean[1])


def test_volumes_and_sequences_are_those_of_torch() -> None:
    net = net_of(VOLUMES)
    inputs, weights = random_inputs(net, 2), random_weights(net)
    found = interpret(net, inputs, weights)
    video, words = (torch.from_numpy(inputs[name]).transpose(1, 2) for name in ("video", "words"))
    given = {key: torch.from_numpy(value) for key, value in weights.items()}

    def norm(x: torch.Tensor, key: str) -> torch.Tensor:
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(given[f"{key}.{name}"] for name in names))

    maps = F.conv3d(video, given["conv3d.weight"], given["conv3d.bias"], stride=(1, 2, 1), padding=(1, 1, 0))
    maps = F.max_pool3d(F.relu(norm(maps, "batch_norm")), 2).transpose(1, 2)
    tokens = norm(F.conv1d(words, given["conv1d.weight"], padding=2, groups=2), "batch_norm_2")
    tokens = F.avg_pool1d(tokens, 3, stride=2, padding=1).transpose(1, 2)
    np.testing.assert_allclose(found["video"], maps.numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found["words"], tokens.numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "call",
    ["conv(v, 3)", "conv(relu(v) + v, 3)", "depthwise(v)", "conv_transpose(v, 3)", "max_pool(v)",
     "avg_pool(conv3d(v, 2))",
     "group_norm(v, 3)", "conv(f(v), 3)"],
)  # fmt: skip
def test_an_operation_on_maps_does_not_take_a_volume(call: str) -> None:
    loop = "@loop(2)\niterative f(carry x):\n    x = relu(x)\n\n"
    with pytest.raises(CompileError) as error:
        net_of(f"{loop}network n:\n    input v: f32[4, 3, 8, 8]\n    z = f(v)\n    emit z = z\n    emit y = {call}\n")
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["E0311"]


def test_stacked_maps_are_no_volume() -> None:
    net = net_of("network n:\n    input x: f32[3, 8, 8]\n    emit y = conv(stack(x, -x), 5)\n")
    assert net.outputs[0].value.tensor.shape == (2, 5, 8, 8)


def test_a_given_weight_is_a_parameter() -> None:
    with pytest.raises(CompileError) as error:
        net_of("network n:\n    input x: f32[3, 8]\n    emit y = linear(x, weight=exp(x))\n")
    assert [diagnostic.code for diagnostic in error.value.diagnostics] == ["E0312"]
