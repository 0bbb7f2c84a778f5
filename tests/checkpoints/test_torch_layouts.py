"""Modules of PyTorch whose tensors are laid out otherwise: the imported networks give their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import itc
from itc.checkpoints import Imported, check, import_weights
from itc.diagnostics import CompileError
from itc.ir.net import Net
from itc.ir.op import Array
from tests.checkpoints.torchvision_layout import build

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(text: str, folder: Path) -> Net:
    (folder / "n.itn").write_text(text)
    return itc.load(folder / "n.itn").ir


def arrays(module: nn.Module) -> dict[str, Array]:
    return {key: value.detach().numpy() for key, value in module.state_dict().items()}


def agrees(net: Net, found: dict[str, Array], x: Tensor, expected: Tensor, **options: bool) -> Imported:
    """The import of `found`, which gives what PyTorch gives for `x`."""
    imported = import_weights(found, net, "file", **options)
    assert not imported.missing
    values = {"x": x.numpy(), "y": expected.detach().numpy()}
    assert max(check(values, net, imported.weights, "check", 1e-5).differences.values()) <= 1e-5
    return imported


class Refined(nn.Module):
    """A conv that all iterations share, and a norm for each."""

    def __init__(self, norms: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(4) for _ in range(norms))
        for norm in self.norms:
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)

    def forward(self, x: Tensor) -> Tensor:
        for norm in self.norms:
            x = x + torch.relu(norm(self.conv(x)))
        return x


def test_a_list_of_norms_is_the_sets_of_one(tmp_path: Path) -> None:
    net = load(
        "@loop(times)\n@share(all, private=norm)\niterative refine(carry x, times):\n"
        "    x = x + (x |> conv(channels(x), 3) |> batch_norm |> relu)\n\n"
        "network n(times=12):\n    input x: f32[4, 6, 5]\n    emit y = refine(x, times=times)\n",
        tmp_path,
    )
    torch.manual_seed(0)
    theirs, x = Refined(12).eval(), torch.randn(2, 4, 6, 5)
    imported = agrees(net, arrays(theirs), x, theirs(x))
    assert imported.sources is not None
    assert imported.sources["refine.batch_norm.bias"] == tuple(f"norms.{i}.bias" for i in range(12))
    assert ("12 items, one for each iteration") in imported.pairs[1][2]
    suffixed = {key.replace("norms.", "norm_"): value for key, value in arrays(theirs).items()}
    with pytest.raises(CompileError, match="E0652"):
        import_weights(suffixed, net, "file")
    by_hand = import_weights(suffixed, net, "file", ["norm_*=refine.batch_norm[*]"])
    assert all(np.array_equal(by_hand.weights[key], value) for key, value in imported.weights.items())


def test_a_list_of_layers_is_an_unshared_loop(tmp_path: Path) -> None:
    net = load(
        "@loop(times)\n@share(none)\niterative layers(carry x, times):\n"
        "    x = x + (x |> linear(6) |> relu |> linear(4))\n\n"
        "network n(times=3):\n    input x: f32[5, 4]\n    emit y = layers(x, times=times)\n",
        tmp_path,
    )
    torch.manual_seed(0)
    parts = nn.ModuleList(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 4)) for _ in range(3))
    theirs = nn.ModuleDict({"layers": parts})
    x = torch.randn(2, 5, 4)
    y = x
    for part in parts:
        y = y + part(y)
    agrees(net, arrays(theirs), x, y)


def test_multihead_attention(tmp_path: Path) -> None:
    net = load(
        "from std import attention\n\nnetwork n:\n    input x: f32[5, 8]\n    emit y = attention(x, 2, bias=true)\n",
        tmp_path,
    )
    torch.manual_seed(0)
    theirs, x = nn.MultiheadAttention(8, 2, batch_first=True), torch.randn(2, 5, 8)
    nn.init.normal_(theirs.in_proj_bias)
    imported = agrees(net, arrays(theirs), x, theirs(x, x, x)[0])
    assert imported.json()["mapped"]["in_proj_bias"] == ["attention.q.bias", "attention.k.bias", "attention.v.bias"]


CELLS: dict[str, Callable[[int, int], nn.Module]] = {
    "lstm": lambda inputs, width: nn.LSTM(inputs, width, batch_first=True),
    "gru": lambda inputs, width: nn.GRU(inputs, width, batch_first=True),
}


@pytest.mark.parametrize("inputs", [3, 4])
@pytest.mark.parametrize("cell", list(CELLS))
def test_recurrent_cells(cell: str, inputs: int, tmp_path: Path) -> None:
    """Input and state of different widths and of the same, for which shapes tell nothing."""
    state = "h, c" if cell == "lstm" else "h"
    lines = [f"    t = index(x, {i})\n    {state} = step(t, {state})" for i in range(3)]
    starts = [f"    {name} = index(start, {i})" for i, name in enumerate(state.split(", "))]
    net = load(
        f"from std import {cell}\n\n@share(calls)\nblock step(t, {state}):\n    return {cell}(t, {state})\n\n"
        f"network n:\n    input x: f32[3, {inputs}]\n    input start: f32[2, 4] = zeros\n"
        + "\n".join((*starts, *lines, "    emit y = h", "")),
        tmp_path,
    )
    torch.manual_seed(0)
    theirs, x = CELLS[cell](inputs, 4), torch.randn(2, 3, inputs)
    agrees(net, arrays(theirs), x, theirs(x)[0][:, -1])


def test_kernels_with_fewer_axes(tmp_path: Path) -> None:
    """A conv1d is one of 1 x 3, and a linear layer one of 1 x 1."""
    net = load(
        "network n:\n    input x: f32[3, 1, 9]\n"
        "    emit y = x |> conv(4, [1, 3], bias=true) |> relu |> conv(5, 1, bias=true)\n",
        tmp_path,
    )
    torch.manual_seed(0)
    first, second, x = nn.Conv1d(3, 4, 3, padding=1), nn.Linear(4, 5), torch.randn(2, 3, 1, 9)
    y = second(torch.relu(first(x[:, :, 0])).transpose(1, 2)).transpose(1, 2)[:, :, None]
    agrees(net, arrays(nn.ModuleDict({"first": first, "second": second})), x, y)


def test_interleaved_rotary_embeddings(tmp_path: Path) -> None:
    """Queries and keys of a file that turns neighbouring channels, if that is said, and no other layer."""
    net = load(
        "from std import attention\n\nnetwork n:\n    input x: f32[5, 8]\n    emit y = attention(x, 2, rotary=true)\n",
        tmp_path,
    )
    torch.manual_seed(0)
    weights = {name: torch.randn(8, 8) for name in ("wq", "wk", "wv", "wo")}
    x = torch.randn(2, 5, 8)

    def turned(y: Tensor) -> Tensor:
        pairs = torch.view_as_complex(y.reshape(2, 5, 2, 2, 2))
        angle = torch.arange(5)[:, None] / 10000 ** (torch.arange(2) / 2)
        return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)[:, None]).reshape(2, 5, 2, 4)

    q, k = turned(x @ weights["wq"].T), turned(x @ weights["wk"].T)
    v = (x @ weights["wv"].T).reshape(2, 5, 2, 4)
    y = nn.functional.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2))
    y = y.transpose(1, 2).reshape(2, 5, 8) @ weights["wo"].T
    found = {f"attention.{name}.weight": value.numpy() for name, value in weights.items()}
    with pytest.raises(CompileError, match="E0657"):
        agrees(net, found, x, y)
    agrees(net, found, x, y, interleaved_rope=True)


def test_nothing_to_permute(tmp_path: Path) -> None:
    net = load("network n:\n    input x: f32[4]\n    emit y = linear(x, 5, bias=false)\n", tmp_path)
    with pytest.raises(CompileError, match="E0658"):
        import_weights({"fc.weight": np.zeros((5, 4), np.float32)}, net, "file", interleaved_rope=True)


def renamed(key: str, depth: int) -> str:
    """A key of torchvision's with shortcuts of another name, and the numbers of blocks' layers from behind."""
    parts = key.replace("downsample", "shortcut").split(".")
    if depth and parts[0].startswith("layer") and parts[2][-1].isdigit():
        parts[2] = parts[2][:-1] + str(depth + 1 - int(parts[2][-1]))
    return ".".join(parts)


@pytest.mark.parametrize(("name", "depth"), [("resnet18", 2), ("resnet50", 3), ("resnet18", 0), ("resnet50", 0)])
def test_other_names_and_numbers_of_a_resnet(name: str, depth: int) -> None:
    """Shapes show in which order the layers of a block are; where numbers count from behind, it may be refused."""
    net = itc.load(EXAMPLES / "resnet.itn", name).ir
    theirs = arrays(build(name))
    expected = import_weights(theirs, net, "file").weights
    try:
        found = import_weights({renamed(key, depth): value for key, value in theirs.items()}, net, "file").weights
    except CompileError as error:
        assert depth
        assert {fault.code for fault in error.diagnostics} == {"E0653"}
    else:
        assert all(np.array_equal(found[key], value) for key, value in expected.items())
