"""Imports are right or refused: numbers and order decide nothing, whatever the names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import numpy as np
import pytest

import itc
from itc.checkpoints import Imported, check, import_weights
from itc.diagnostics import CompileError
from itc.ir.net import Net
from itc.ir.op import Array
from tests.checkpoints.renamed_nets import renamed_net

NUMBERS = """network n:
    input image: f32[3, 8, 8]
    x = conv(image, 4, 1)
    emit y = relu(conv(x, 4, 1)) + conv(x, 4, 1)
"""
GATED = """from std import swiglu

network n:
    input x: f32[5, 8]
    emit y = swiglu(x, 8)
"""
PYRAMID = """network n:
    input x: f32[4, 16, 16]
    fine = conv(x, 4, name="stem")
    a = conv(max_pool(fine), 4, name="smooth")
    emit y = conv(fine + resize(a, like=fine), 4, name="smooth")
"""
ATTENTION = """from std import attention

network n:
    input x: f32[5, 8]
    emit y = attention(x, 2)
"""
SEQUENCE = """block unit(x):
    return x + (x |> conv(channels(x), 3, name="a") |> relu |> conv(channels(x), 3, name="b"))

network n:
    input x: f32[4, 8, 8]
    for i in range(3):
        x = unit(x)
    emit y = x
"""
SQUARE, KERNEL = (8, 8), (4, 4, 3, 3)


def load(text: str, folder: Path) -> Net:
    (folder / "n.itn").write_text(text)
    return itc.load(folder / "n.itn").ir


def file_of(net: Net, names: dict[str, str], seed: int = 0) -> dict[str, Array]:
    """Random weights of a net under other names of its layers, in random order."""
    rng = np.random.default_rng(seed)
    found = {}
    for param in net.params:
        layer, _, part = param.key.rpartition(".")
        found[f"{names[layer]}.{part}"] = rng.random(param.shape).astype(np.float32)
    keys = list(found)
    Random(seed).shuffle(keys)
    return {key: found[key] for key in keys}


def layers_of(imported: Imported) -> dict[str, str]:
    return {own.path: their.path for their, own, _ in imported.pairs}


def outcome(seed: int, folder: Path) -> str:
    """`right`, or the code of the refusal; a wrong import fails."""
    random = renamed_net(seed)
    net = load(random.spec, folder)
    found = file_of(net, random.names, seed)
    try:
        imported = import_weights(found, net, "file")
    except CompileError as error:
        return error.diagnostics[0].code
    paths = {key.rpartition(".")[0] for key in (param.key for param in net.params)}
    assert layers_of(imported) == {own: random.names[own] for own in paths}, random.spec
    assert all(reasons for _, _, reasons in imported.pairs)
    return "right"


def test_random_nets_with_shuffled_numbers_are_right_or_refused(tmp_path: Path) -> None:
    outcomes = Counter(outcome(seed, tmp_path) for seed in range(40))
    assert outcomes.keys() == {"right", "E0653"}
    assert outcomes["right"] >= 3


@pytest.mark.long
def test_many_random_nets_with_shuffled_numbers(tmp_path: Path) -> None:
    outcomes = Counter(outcome(seed, tmp_path) for seed in range(1000, 2000))
    assert outcomes.keys() == {"right", "E0653"}
    assert outcomes["right"] >= 80


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        (NUMBERS, {"conv1": (4, 3, 1, 1), "conv3": (4, 4, 1, 1), "short.2": (4, 4, 1, 1)}),
        (GATED, {"w1": SQUARE, "w2": SQUARE, "w3": SQUARE}),
        (PYRAMID, {"stem": KERNEL, "smooth0": KERNEL, "smooth1": KERNEL}),
        (PYRAMID, {"stem": KERNEL, "smooth.0": KERNEL, "smooth.1": KERNEL}),
        (ATTENTION, {"to.0": SQUARE, "to.1": SQUARE, "to.2": SQUARE, "to.3": SQUARE}),
        (SEQUENCE, {f"blocks.{i}.conv{k}": KERNEL for i in range(3) for k in (1, 2)}),
    ],
    ids=["numbers", "gated", "pyramid", "listed-pyramid", "attention", "sequence"],
)
def test_numbers_alone_are_refused_with_the_choices(
    text: str, shapes: dict[str, tuple[int, ...]], tmp_path: Path
) -> None:
    net = load(text, tmp_path)
    rng = np.random.default_rng(0)
    found = {f"{name}.weight": rng.random(shape).astype(np.float32) for name, shape in shapes.items()}
    with pytest.raises(CompileError) as error:
        import_weights(found, net, "file")
    assert {d.code for d in error.value.diagnostics} == {"E0653"}
    help = error.value.diagnostics[0].help
    edits = [word for word in help.split() if "=" in word]
    assert len(edits) >= 2
    imported = import_weights(found, net, "file", edits)
    assert {f"{their}={own}" for own, their in layers_of(imported).items()} >= set(edits)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (ATTENTION, {"k": "attn.key", "q": "attn.query", "v": "attn.value", "out": "attn.o_proj"}),
        (ATTENTION, {"k": "wk", "q": "wq", "v": "wv", "out": "wo"}),
        (GATED, {"gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}),
    ],
)
def test_words_decide(text: str, names: dict[str, str], tmp_path: Path) -> None:
    net = load(text, tmp_path)
    paths = {param.key.rpartition(".")[0]: param for param in net.params}
    wanted = {path: names[path.rpartition(".")[2]] for path in paths}
    imported = import_weights(file_of(net, wanted), net, "file")
    assert layers_of(imported) == wanted
    assert all(any("names" in reason for reason in reasons) for _, _, reasons in imported.pairs)


def test_numbers_count_if_it_is_said(tmp_path: Path) -> None:
    """Units in sequence may be taken in the order of their numbers; levels of a pyramid not even then."""
    net = load(SEQUENCE, tmp_path)
    paths = [param.key.rpartition(".")[0] for param in net.params]
    wanted = {path: f"blocks.{i // 2}.conv{i % 2 + 1}" for i, path in enumerate(paths)}
    found = file_of(net, wanted)
    with pytest.raises(CompileError, match="--in-order"):
        import_weights(found, net, "file")
    assert layers_of(import_weights(found, net, "file", in_order=True)) == wanted
    pyramid = load(PYRAMID, tmp_path)
    found = file_of(pyramid, {"stem": "stem", "smooth": "smooth.1", "smooth_2": "smooth.0"})
    for in_order in (False, True):
        with pytest.raises(CompileError, match="E0653") as error:
            import_weights(found, pyramid, "file", in_order=in_order)
        assert "--in-order" not in error.value.diagnostics[0].help


def test_a_circle_of_three_that_shares_more_words(tmp_path: Path) -> None:
    """Words for and against are weighed together: here all partners that share a word are taken."""
    text = """network n:
    input x: f32[4, 8, 8]
    y = relu(conv(x, 4, name="red")) + tanh(conv(x, 4, name="green")) + sigmoid(conv(x, 4, name="blue"))
    emit y = y
"""
    net = load(text, tmp_path)
    wanted = {"red": "a.red", "green": "b.green", "blue": "c.x"}
    assert layers_of(import_weights(file_of(net, wanted), net, "file")) == wanted


def test_many_layers_without_a_partner_are_few_lines(tmp_path: Path) -> None:
    net = load(SEQUENCE, tmp_path)
    found = {f"m.{i}.weight": np.zeros((3, 3, 1, i % 7 + 1), np.float32) for i in range(3000)}
    with pytest.raises(CompileError) as error:
        import_weights(found, net, "file")
    assert len(error.value.diagnostics) <= 4
    assert "file has 3000 layers, n has 6" in str(error.value)


@pytest.mark.parametrize("count", [1600, 20_001])
def test_too_many_layers_of_one_shape_are_refused(count: int, tmp_path: Path) -> None:
    net = load("network n:\n    input x: f32[4]\n    emit y = linear(x, 4, bias=false)\n", tmp_path)
    found = {f"m.{i}.weight": np.zeros((4, 4), np.float32) for i in range(count)}
    with pytest.raises(CompileError, match="E0653"):
        import_weights(found, net, "file", partial=True)


def test_the_cause_is_named_where_a_size_differs(tmp_path: Path) -> None:
    net = load('network n:\n    input x: f32[4]\n    emit y = linear(x, 5, name="head")\n', tmp_path)
    found = {"fc.weight": np.zeros((7, 4), np.float32), "fc.bias": np.zeros(7, np.float32)}
    with pytest.raises(CompileError) as error:
        import_weights(found, net, "file")
    (fault,) = error.value.diagnostics
    assert (
        fault.message
        == "the shapes of fc (bias [7], weight [7, 4]) of file differ from those of head (bias [5], weight [5, 4]) of n"
    )
    del found["fc.bias"]
    found["fc.weight"] = np.zeros((5, 4), np.float32)
    with pytest.raises(CompileError) as error:
        import_weights(found, net, "file")
    assert error.value.diagnostics[0].message == "head of n has a bias, fc of file has none"


def test_ids_beyond_a_table_cannot_be_checked(tmp_path: Path) -> None:
    net = load("network n:\n    input t: i64[3]\n    emit y = embed(t, 5, 4)\n", tmp_path)
    imported = import_weights({"token.weight": np.ones((5, 4), np.float32)}, net, "file")
    with pytest.raises(CompileError, match="E0656"):
        check({"t": np.array([1, 2, 9]), "y": np.ones((3, 4))}, net, imported.weights, "values")
