"""What specs mean: their IR as golden text, and what the nets compute, by the interpreter."""

from __future__ import annotations

from pathlib import Path
from types import EllipsisType

import numpy as np
import pytest

from itc import weights
from itc.interpreter import interpret
from itc.ir import Net, parse_net, print_net
from itc.ir.op import Array
from itc.source import Source
from itc_dsl import load_net, read_source
from tests.conftest import Golden

SPECS = sorted((Path(__file__).parent / "specs").glob("*.itn"))


def net_of(text: str, **settings: object) -> Net:
    return load_net(Source("spec.itn", text), settings=settings)


def params_of(text: str, **settings: object) -> dict[str, tuple[int, ...]]:
    return {param.key: param.shape for param in net_of(text, **settings).params}


def run(net: Net, seed: int = 0, values: dict[str, Array] | None = None) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    inputs = {v.name: rng.normal(size=(2, *v.tensor.shape)).astype(np.float32) for v in net.inputs}
    return interpret(net, inputs, values or random_weights(net))


def random_weights(net: Net) -> dict[str, Array]:
    """Values in which every set of every parameter is unlike every other, variances positive."""
    rng = np.random.default_rng(1)
    drawn = {p.key: rng.uniform(0.5, 1.5, p.shape).astype(np.float32) for p in net.params}
    return {key: drawn[key] * value + drawn[key] / 4 for key, value in weights.initial(net).items()}


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_golden(path: Path, golden: Golden) -> None:
    net = load_net(read_source(path))
    text = print_net(net)
    golden(path.with_suffix(".itir"), text)
    assert parse_net(text) == net


LOOP = """
@loop(times)
@share({share})
iterative refine(carry state, times):
    if iteration > 1:
        state = state |> conv(3, 3)
    state = state |> block |> batch_norm |> tanh

block block(x):
    return x + (x |> conv(3, 1, bias=true) |> relu)

@share(none)
output head(x):
    return x |> conv(2, 1, bias=true)

network net(times=6, exits=[1, 3, 6]):
    input image: f32[3, 4, 4]
    state = refine(image, times=times)
    emit head(state) at exits
    emit plain = state at all
    emit last = state
"""


def test_sharing_gives_a_set_to_each_group_that_reaches_a_parameter() -> None:
    def sets(share: str) -> dict[str, int]:
        net = net_of(LOOP.replace("{share}", share))
        return {p.key: p.set_count for p in net.params if p.role in ("weight", "bias", "scale", "mean")}

    conv, inner, norm = "refine.conv.weight", "refine.block.conv.weight", "refine.batch_norm.weight"
    bias, mean, head = "refine.block.conv.bias", "refine.batch_norm.running_mean", "head.conv.weight"
    names = (conv, inner, bias, norm, mean, head)

    def counts(share: str) -> list[int]:
        return [sets(share)[name] for name in names]

    assert counts("all") == [1, 1, 1, 1, 1, 3]
    assert counts("none") == [5, 6, 6, 6, 6, 3]
    assert counts("every=2") == [3, 3, 3, 3, 3, 3]
    assert counts("every=4") == [2, 2, 2, 2, 2, 3]
    assert counts("every=5") == [2, 2, 2, 2, 2, 3]
    assert counts("all, private=norm") == [1, 1, 1, 6, 6, 3]
    assert counts("all, private=[bias, norm]") == [1, 1, 6, 6, 6, 3]
    assert counts("all, private=block") == [1, 6, 6, 1, 1, 3]
    assert counts("all, private=block, shared=bias") == [1, 6, 6, 1, 1, 3]  # a segment wins over a kind
    assert counts("none, shared=weight") == [1, 1, 6, 6, 6, 3]
    assert counts("none, shared=[block, norm]") == [5, 1, 1, 1, 1, 3]
    assert counts("every=3, private=conv") == [5, 6, 6, 2, 2, 3]


@pytest.mark.parametrize("share", ["all", "none", "every=4", "all, private=[norm, conv]"])
def test_an_exit_is_what_the_loop_returns_when_it_runs_so_often(share: str) -> None:
    text = LOOP.replace("{share}", share)
    whole = net_of(text)
    values = random_weights(whole)
    outputs = run(whole, values=values)
    for n in (1, 3, 6):
        part = net_of(text, times=n, exits=[n])
        at = [1, 3, 6].index(n)
        taken = {p.key: values[p.key][_sets(p.key, p.sets, at)] for p in part.params}
        shortened = run(part, values=taken)
        np.testing.assert_allclose(outputs[f"plain@{n}"], shortened["last"], rtol=1e-5)
        np.testing.assert_allclose(outputs[f"head@{n}"], shortened[f"head@{n}"], rtol=1e-5, atol=1e-6)


def _sets(key: str, sets: tuple[int, ...], exit: int) -> slice | EllipsisType:
    """The sets of the whole loop that a shorter one has: the first ones, or its own exit's."""
    if not sets:
        return ...
    return slice(exit, exit + 1) if key.startswith("head") else slice(0, sets[0])


def test_loops_compute_what_the_same_statements_written_out_do() -> None:
    looped = """
@loop(3)
@share(none)
iterative refine(carry x, carry y):
    if iteration % 2 == 1:
        x = conv(x + y, 3)
    else:
        x, y = y, x
    y = y * 2 - x if iteration == 2 else y + 0.5

network net:
    input image: f32[3, 4, 4]
    x, y = refine(image, relu(image))
    emit a = x
    emit b = y
"""
    flat = """
network net:
    input image: f32[3, 4, 4]
    x, y = image, relu(image)
    for t in range(1, 4):
        if t % 2 == 1:
            x = conv(x + y, 3)
        else:
            x, y = y, x
        y = y * 2 - x if t == 2 else y + 0.5
    emit a = x
    emit b = y
"""
    loop, written = net_of(looped), net_of(flat)
    stacked = random_weights(loop)
    (key,) = stacked
    assert [p.key for p in written.params] == ["conv.0.weight", "conv.2.weight"]
    values = {f"conv.{i}.weight": stacked[key][rank] for rank, i in enumerate((0, 2))}
    expected = run(written, values=values)
    for label, value in run(loop, values=stacked).items():
        np.testing.assert_allclose(value, expected[label], rtol=1e-5, atol=1e-6)


def test_nested_loops_multiply_the_sets() -> None:
    text = """
@loop(3)
@share({inner})
iterative inner(carry x):
    x = conv(x, 3)

@loop(4)
@share({outer})
iterative outer(carry x):
    x = inner(x) |> batch_norm

network net:
    input image: f32[3, 4, 4]
    emit y = outer(image)
"""
    shapes = {
        (a, b): params_of(text.format(inner=a, outer=b))["outer.inner.conv.weight"][:-4]
        for a in ("all", "none", "every=2")
        for b in ("all", "none", "every=3")
    }
    sizes = {"all": (), "none": (3,), "every=2": (2,)}, {"all": (), "none": (4,), "every=3": (2,)}
    assert shapes == {(a, b): sizes[1][b] + sizes[0][a] for a, b in shapes}


def test_a_series_is_walked_in_order() -> None:
    text = """
@loop(4)
iterative count(carry n):
    n = n + 1
    yield n

@loop(4)
iterative weigh(carry total, each x):
    total = total * 10 + x

network net:
    input image: f32[1, 1, 1]
    n, series = count(image * 0)
    emit y = weigh(image * 0, series)
"""
    assert run(net_of(text))["y"].ravel().tolist() == [1234, 1234]


def test_calls_that_share_have_one_set_wherever_they_are() -> None:
    text = """
@share(calls)
block core(x):
    return conv(x, 3)

@loop(2)
@share(none)
iterative loop(carry x):
    x = core(x) |> core

network net:
    input image: f32[3, 4, 4]
    emit y = core(image) |> loop
"""
    assert params_of(text) == {"core.conv.weight": (3, 3, 3, 3)}


KEYS = """
from std import conv_norm_relu

block pair(x, norm=batch_norm):
    a = conv(x, 4) |> norm
    b = conv(a, 4) |> norm |> conv_norm_relu(4)
    for i in range(2):
        b = [conv(b, 4, 1) for k in range(2)][1]
    return a + conv(b, 4, name="last")

network net:
    input image: f32[3, 4, 4]
    x = pair(image)
    for i in range(2):
        x = pair(x, norm=identity)
    x = pair(x, name="pair")
    emit y = x
"""


def test_keys() -> None:
    keys = [key.removesuffix(".weight") for key in params_of(KEYS) if key.endswith("weight")]
    first = ["conv", "norm", "conv_2", "norm_2", "conv_norm_relu.conv", "conv_norm_relu.norm"]
    rest = ["conv_3.0.0", "conv_3.0.1", "conv_3.1.0", "conv_3.1.1", "last"]
    without_norms = ["conv", "conv_2", "conv_norm_relu.conv", "conv_norm_relu.norm", *rest]
    assert keys == [
        *(f"pair.{key}" for key in first + rest),
        *(f"pair_2.{i}.{key}" for i in range(2) for key in without_norms),
        *(f"pair_3.{key}" for key in first + rest),
    ]


def test_names_of_values_never_collide() -> None:
    text = """
@loop(2)
iterative swap(carry x, carry x_2):
    x, x_2 = x_2, x + x_2
    yield x

network net:
    input x: f32[1]
    input x_2: f32[1]
    x, x_2, series = swap(x, x_2)
    emit y = x + x_2
"""
    net = net_of(text)
    assert parse_net(print_net(net)) == net
    assert run(net)["y"].shape == (2, 1)


def test_imports_of_files_beside_the_spec(tmp_path: Path) -> None:
    parts = tmp_path / "parts.itn"
    parts.write_text("from std import conv_norm_relu\n\nblock part(x):\n    return conv_norm_relu(x, 3)\n")
    spec = tmp_path / "net.itn"
    spec.write_text("from parts import part\n\nnetwork net:\n    input x: f32[3, 4, 4]\n    emit y = part(x)\n")
    net = load_net(read_source(spec), search=tmp_path)
    assert net.params[0].key == "part.conv_norm_relu.conv.weight"


def test_a_parameter_does_not_hide_the_operation_of_its_name_from_calls() -> None:
    block = "block f(x, dropout=0.25):\n    return dropout(x, dropout)\n\n"
    text = block + "network net:\n    input x: f32[3]\n    emit y = f(x)\n"
    assert "dropout(%x) {rate = 0.25}" in print_net(net_of(text))


def test_mobilenets_inverted_residual_has_its_parameters() -> None:
    text = """
from std import inverted_residual

network net(stride=1, out=24, expand=6):
    input x: f32[24, 8, 8]
    emit y = inverted_residual(x, out, expand=expand, stride=stride, dropout=0.1)
"""

    def size(**settings: object) -> int:
        return sum(param.size for param in net_of(text, **settings).params if param.trained)

    assert size() == 24 * 144 + 2 * 144 + 9 * 144 + 2 * 144 + 144 * 24 + 2 * 24
    assert size(expand=1) == 9 * 24 + 2 * 24 + 24 * 24 + 2 * 24
    assert print_net(net_of(text)).count("add(") == 1
    assert print_net(net_of(text, stride=2)).count("add(") == 0
    assert print_net(net_of(text, out=32)).count("add(") == 0
