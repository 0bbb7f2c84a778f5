"""Values that depend on `iteration` give in each iteration what the same statements written out with a number do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from itc import weights
from itc.diagnostics import CompileError
from itc.driver import load, training_backend
from itc.interpreter import interpret
from itc.ir import Net, When, parse_net, print_net, walk
from itc.ir.op import Array
from itc.source import Source
from itc_dsl import load_net

ITERATIONS = 5
SPEC = """
{head}
iterative refine(carry x, image, times{more}):
{body}

network net(times=5):
    input image: f32[4, 6, 6]
    x = refine(image * 0.5, image, times=times{given})
    emit y = x
"""
WRITTEN = """
network net(times=5):
    input image: f32[4, 6, 6]
    x = image * 0.5
    for t in range(1, times + 1):
{body}
    emit y = x
"""
#: Statements of a body in `iteration`, without parameters.
BODIES = [
    "x = x * (1 / iteration)",
    "x = x / iteration + iteration / (x * x + 1)",
    "x = iteration - x - 1 / iteration",
    "x = 2 / (1 + x * x) + x",
    "x = x * [0.5, 2, -1, 3, 0.25][iteration - 1]",
    "x = x * [true, false, true, true, false][iteration - 1] if false else x + 1",
    "x = x * min(iteration, 3) + max(2, iteration, 1) - round(iteration / 2) + ceil(iteration / 3)",
    "x = x * sum([iteration, 2, iteration / 2])",
    "x = x + int(iteration * 1.5) - floor(-iteration / 2)",
    "x = max_pool(x, [3, 2 * (iteration % 2) + 1], stride=1, pad=[1, iteration % 2])",
    "x = concat(x, x) |> slice(iteration % 3, 4 + iteration % 3)",
    "x = x + [image, relu(image), image * 2, x, x][iteration - 1]",
    "a, b = [[image, 1], [relu(x), 2], [x, 3], [x, 4], [image, 9]][iteration - 1]\n    x = a * b + x",
    "if iteration > 2:\n        x = x / (iteration - 2) + [1, 2, 3][iteration - 3]",
    "x = x * (iteration if iteration % 2 == 1 else 0.5)",
]


def net_of(text: str) -> Net:
    return load_net(Source("spec.itn", text))


def run(net: Net, values: dict[str, Array] | None = None) -> Array:
    image = np.random.default_rng(0).normal(size=(2, 4, 6, 6)).astype(np.float32)
    return interpret(net, {"image": image}, values or weights.initial(net))["y"]


def looped(body: str, head: str = "@loop(times)", more: str = "", given: str = "") -> Net:
    return net_of(SPEC.format(head=head, body="    " + body, more=more, given=given))


def written(body: str) -> Net:
    lines = re.sub(r"\biteration\b", "t", body).splitlines()
    return net_of(
        WRITTEN.format(
            body="\n".join("        " + line.removeprefix("    ") for line in ["    " + lines[0], *lines[1:]])
        )
    )


@pytest.mark.parametrize("body", BODIES)
def test_as_written_out(body: str) -> None:
    net = looped(body)
    np.testing.assert_allclose(run(net), run(written(body)), rtol=1e-5, atol=1e-6)
    assert parse_net(print_net(net)) == net


@pytest.mark.parametrize("body", BODIES)
def test_torch_agrees(body: str) -> None:
    pytest.importorskip("torch")
    net = looped(body)
    image = np.random.default_rng(0).normal(size=(2, 4, 6, 6)).astype(np.float32)
    found = training_backend().forward(net, {"image": image}, weights.initial(net))["y"]
    np.testing.assert_allclose(found, run(net), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("share", "sets"), [("all", ()), ("none", (5,)), ("every=2", (3,))])
def test_a_layer_whose_attributes_differ_has_the_parameters_that_sharing_says(
    share: str, sets: tuple[int, ...]
) -> None:
    net = looped("x = conv(x, 4, dilation=1 + iteration % 2)", f"@loop(times)\n@share({share})")
    (param,) = net.params
    assert param.sets == sets
    regions = [s for s in walk(net.body) if isinstance(s, When)]
    assert [str(region.iterations) for region in regions] == ["{1..5 by 2}"]
    values = {param.key: np.random.default_rng(1).normal(size=param.shape).astype(np.float32)}
    plain = net_of(WRITTEN.format(body="        x = conv(x, 4, dilation=1 + t % 2)"))
    of = {"all": [...] * 5, "none": range(5), "every=2": [0, 0, 1, 1, 2]}[share]
    taken = {f"conv.{t}.weight": values[param.key][of[t]] for t in range(ITERATIONS)}
    np.testing.assert_allclose(run(net, values), run(plain, taken), rtol=1e-4, atol=1e-5)


def test_each_goes_through_a_list_of_numbers_or_of_tensors() -> None:
    head, given = "", ", rates=[0.5, 2, 3, 0.25, 1], maps=[image, relu(image), image, image * 2, image]"
    net = looped("x = x * rate + m", head, ", each rate, each m", given.replace("rates", "rate").replace("maps", "m"))
    lists = "        maps = [image, relu(image), image, image * 2, image]\n"
    plain = WRITTEN.format(body=lists + "        x = x * [0.5, 2, 3, 0.25, 1][t - 1] + maps[t - 1]")
    np.testing.assert_allclose(run(net), run(net_of(plain)), rtol=1e-5, atol=1e-6)


def test_a_table_is_a_constant_of_the_checkpoint_and_two_equal_ones_are_one() -> None:
    net = looped("x = x * (1 / iteration) + 1 / iteration - iteration")
    assert [(p.key, p.shape, p.role) for p in net.params] == [
        ("refine.table", (5, 1), "constant"),
        ("refine.table_2", (5, 1), "constant"),
    ]
    assert not any(param.trained for param in net.params)


def test_a_table_in_a_loop_inside_a_loop_counts_the_loop_it_is_of() -> None:
    nested = """
@loop(3)
iterative inner(carry x, outer):
    x = x * outer + iteration

@loop(4)
iterative outer(carry x):
    x = inner(x, iteration) * 0.1

network net:
    input image: f32[4, 6, 6]
    emit y = outer(image)
"""
    flat = """
network net:
    input image: f32[4, 6, 6]
    x = image
    for i in range(1, 5):
        for j in range(1, 4):
            x = x * i + j
        x = x * 0.1
    emit y = x
"""
    np.testing.assert_allclose(run(net_of(nested)), run(net_of(flat)), rtol=1e-5)


def test_an_output_block_counts_exits() -> None:
    net = net_of("""
@loop(4)
iterative refine(carry x):
    x = x + 1

output head(x):
    return x * (10 / iteration)

network net:
    input image: f32[1, 1, 1]
    x = refine(image * 0)
    emit head(x) at [1, 4]
""")
    found = interpret(net, {"image": np.zeros((1, 1, 1, 1), np.float32)}, weights.initial(net))
    assert [float(array.item()) for array in found.values()] == [10.0, 10.0]


def test_what_a_loop_yields_can_be_an_output() -> None:
    net = net_of("""
@loop(3)
iterative count(carry n):
    n = n + 1
    yield n * 10

network net:
    input image: f32[1, 1, 1]
    n, series = count(image * 0)
    @loss(mse, weight=iteration, target=steps)
    emit y = series
""")
    found = interpret(net, {"image": np.zeros((1, 1, 1, 1), np.float32)}, weights.initial(net))
    assert {label: float(array.item()) for label, array in found.items()} == {"y@1": 10, "y@2": 20, "y@3": 30}
    (output,) = net.outputs
    assert (output.weights, output.target) == ((1.0, 2.0, 3.0), "steps")
    assert parse_net(print_net(net)) == net


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("x = x / (iteration - 1)", "E0307"),
        ("x = x * [1, 2][iteration - 1]", "E0306"),
        ("x = conv(x, iteration)", "E0412"),
        ("x = max_pool(x, iteration)", "E0309"),
        ("x = x * [1, image][iteration % 2]", "E0309"),
        ("x = x + x if iteration else x", "E0308"),
        ("x = concat(iteration, x)", "E0303"),
        ("x = x * round(iteration > 1)", "E0303"),
        ("x = x * min(iteration > 1, 2)", "E0303"),
        ("x = x * [1, 2][iteration / 5]", "E0412"),
        ("x = x * [1, 2][iteration > 1]", "E0412"),
        ("x = x * iteration ** 99", "E0307"),
        ("x = dropout(x, 0.1 * iteration, tied=true)", "E0412"),
        ("x = cast(cast(x, i64) * (1 / iteration), f32)", "E0302"),
    ],
)
def test_mistakes(body: str, code: str) -> None:
    with pytest.raises(CompileError) as raised:
        looped(body)
    assert [d.code for d in raised.value.diagnostics] == [code]


def test_many_values_of_an_argument_are_refused_in_time() -> None:
    head = "@loop(100000)"
    with pytest.raises(CompileError) as raised:
        looped("x = dropout(x, 1 / (iteration + 1))", head)
    assert [d.code for d in raised.value.diagnostics] == ["E0412"]
    assert len(looped("x = dropout(x, 0.1 * min(iteration, 9))", head).params) == 0


TIED = """
@loop(3)
iterative refine(carry x):
    x = dropout(x + 1, 0.5, tied=true)

output head(x):
    return dropout(x, 0.5, tied=true)

network net:
    input image: f32[4, 6, 6]
    y = refine(image * 0)
    emit y = y
    emit head(y) at all
"""


@pytest.mark.parametrize("form", ["rolled", "unrolled"])
def test_a_tied_mask_is_one_for_all_iterations(form: str) -> None:
    torch = pytest.importorskip("torch")
    module = training_backend().lower(net_of(TIED), form)
    found = module(torch.zeros(2, 4, 6, 6))
    assert set(found["y"].flatten().tolist()) == {0.0, 2.0 * (1 + 2.0 * (1 + 2.0))}
    heads = [found[f"head@{n}"] for n in (1, 2, 3)]
    kept = [(head > 0) for head in heads]
    assert all((other == kept[0]).all() for other in kept) and 0 < kept[0].float().mean() < 1
    again = module(torch.zeros(2, 4, 6, 6))
    assert not torch.equal(again["y"], found["y"])
    module.eval()
    assert set(module(torch.zeros(2, 4, 6, 6))["y"].flatten().tolist()) == {3.0}


def test_a_checkpoint_of_another_formula_is_refused(tmp_path: Path) -> None:
    old, new = looped("x = x * (1 / iteration)"), looped("x = x * (2 / iteration)")
    path = tmp_path / "old.safetensors"
    weights.save(path, weights.initial(old))
    assert weights.load(path, old).keys() == old.param.keys()
    with pytest.raises(CompileError) as raised:
        weights.load(path, new)
    assert [d.code for d in raised.value.diagnostics] == ["E0616"]


TABLES = Path(__file__).parent / "specs" / "tables.itn"


@pytest.mark.parametrize("hint", [False, True], ids=["without", "with"])
def test_all_backends_agree_with_an_input_left_out_or_given(hint: bool) -> None:
    torch = pytest.importorskip("torch")
    network = load(TABLES)
    values, rng = network.weights(), np.random.default_rng(0)
    given = network.ir.inputs if hint else network.ir.required
    assert [value.name for value in given] == ["image", "hint"][: len(given)]
    inputs = {value.name: rng.normal(size=(2, *value.tensor.shape)).astype(np.float32) for value in given}
    expected = network.interpret(inputs, values)
    if not hint:
        zeros = {**inputs, "hint": np.zeros((2, 4, 8, 8), np.float32)}
        expected_of_zeros = network.interpret(zeros, values)
        assert all((expected[label] == expected_of_zeros[label]).all() for label in expected)
    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    found = [network.compile("gc200").run(inputs, values)]
    scope: dict[str, Any] = {}
    exec(network.emit(), scope)  # our own text
    for module in (network.torch("rolled"), network.torch("unrolled"), scope["Tables"]()):
        module.load_state_dict({key: torch.from_numpy(array) for key, array in values.items()})
        module.eval()
        with torch.inference_mode():
            found.append({label: output.numpy() for label, output in module(**tensors).items()})
    with torch.inference_mode():
        found.append({label: output.numpy() for label, output in network_outputs(network, values, tensors)})
    for outputs in found:
        assert outputs.keys() == expected.keys()
        for label, array in expected.items():
            np.testing.assert_allclose(outputs[label], array, rtol=1e-4, atol=1e-5)


def network_outputs(network: Any, values: dict[str, Array], tensors: dict[str, Any]) -> Any:
    """The outputs one by one, as soon as each is there."""
    import torch

    module = network.torch()
    module.load_state_dict({key: torch.from_numpy(array) for key, array in values.items()})
    return module.eval().iterate(**tensors)
