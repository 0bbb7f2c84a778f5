"""Loops that halt in torch: values, gradients and training against the interpreter and between all forms."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from itc import weights
from itc.interpreter import interpret
from itc.ir import Net, parse_net, verify
from itc.ir.op import Array
from itc.source import Source
from itc_dsl import load_net, read_source
from itc_torch import lower, ponder_cost
from itc_torch.regions import HaltingLoop
from tests.rounding import close, tolerances
from tests.torch.forms import MAKERS, modules, tensors

ROOT = Path(__file__).parents[2]
BATCH, STEEPNESS = 24, 12.0
SETTINGS = {"size": 16, "width": 8, "classes": 5, "depths": [3, 4, 6, 3]}
FORMS = list(MAKERS)

THRESHOLDS = """
@loop(max=6)
@halt({halt})
iterative count(carry n, p):
    n = n + p
    halt n * 1.5

network net:
    input p: f32[1]
    emit n = count(p - p, p)
"""


@cache
def iamnn() -> Net:
    return load_net(read_source(ROOT / "examples" / "iamnn.itn"), "iamnn_cifar10", SETTINGS)


@cache
def values() -> dict[str, Array]:
    """Random weights whose scores differ much between images."""
    drawn = weights.initial(iamnn(), 1)
    rng = np.random.default_rng(2)
    for param in iamnn().params:
        if ".linear_3." in param.key and param.role == "weight":
            drawn[param.key] = (rng.normal(size=param.shape) * STEEPNESS).astype(np.float32)
        if ".linear_3." in param.key and param.role == "bias":
            drawn[param.key] = np.full(param.shape, -1, np.float32)
    return drawn


@cache
def images() -> dict[str, Array]:
    (image,) = iamnn().inputs
    rng = np.random.default_rng(3)
    contrast = np.linspace(0.1, 4, BATCH)[:, None, None, None]
    return {image.name: (rng.normal(size=(BATCH, *image.tensor.shape)) * contrast).astype(np.float32)}


@cache
def expected() -> dict[str, Array]:
    return interpret(iamnn(), images(), values())


@cache
def allowed() -> dict[str, float]:
    return tolerances(iamnn(), images(), values(), expected())


def iterations() -> list[str]:
    return [label for label in iamnn().labels if label.endswith(".iterations")]


def test_images_run_for_different_times() -> None:
    counts = {float(n) for label in iterations() for n in expected()[label].ravel()}
    assert len(counts) >= 3
    assert any(len(np.unique(expected()[label])) >= 3 for label in iterations())


@pytest.mark.parametrize("form", FORMS)
def test_as_the_interpreter(form: str) -> None:
    with torch.no_grad():
        found = modules(iamnn(), values())[form](*tensors(images()))
    assert list(found) == list(iamnn().labels)
    close({label: value.numpy() for label, value in found.items()}, expected(), allowed())


def loss(outputs: dict[str, Tensor]) -> Tensor:
    return outputs["label"].square().mean() + 100 * ponder_cost(iamnn(), outputs)


def gradients(module: nn.Module) -> dict[str, Tensor]:
    loss(module(*tensors(images()))).backward()
    return {key: p.grad for key, p in module.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("training", [False, True])
def test_gradients_are_finite_and_the_same_in_all_forms(training: bool) -> None:
    made = modules(iamnn(), values())
    found = {form: gradients(module.train(training)) for form, module in made.items()}
    for form in FORMS:
        assert found[form].keys() == {p.key for p in iamnn().params if p.trained}
        for key, gradient in found[form].items():
            assert torch.isfinite(gradient).all(), key
            scale = max(1.0, float(found["rolled"][key].abs().max()))
            assert torch.allclose(gradient / scale, found["rolled"][key] / scale, atol=1e-4), (form, key)
    for form in FORMS:
        for key, buffer in made[form].named_buffers():
            assert torch.allclose(buffer, dict(made["rolled"].named_buffers())[key], atol=1e-4), (form, key)


def test_the_ponder_cost_reaches_the_scores() -> None:
    module = modules(iamnn(), values())["rolled"]
    ponder_cost(iamnn(), module(*tensors(images()))).backward()
    heads = [p.grad for key, p in module.named_parameters() if ".linear_3.bias" in key and p.grad is not None]
    assert len(heads) == 4
    assert any(bool(gradient.abs().max() > 0) for gradient in heads)


def test_the_ponder_cost_is_that_of_the_equations() -> None:
    outputs = {label: torch.from_numpy(value) for label, value in expected().items()}
    wanted = sum(expected()[label].mean() for label in iamnn().labels if label != "label") * 0.001
    assert float(ponder_cost(iamnn(), outputs)) == pytest.approx(wanted, rel=1e-5)


def test_a_rolled_loop_ends_with_its_slowest_image() -> None:
    module = modules(iamnn(), values())["rolled"]
    ran: dict[str, int] = {}
    for name, loop in module.named_modules():
        if isinstance(loop, HaltingLoop):
            loop.body.register_forward_hook(lambda *_, name=name: ran.update({name: ran.get(name, 0) + 1}))
    x = tensors(images())[0][:1]
    with torch.no_grad():
        found = module(x)
    assert list(ran.values()) == [int(found[label]) for label in iterations()]


@pytest.mark.parametrize(("halt", "counts"), [("above=2.5", [6, 3, 1]), ("below=2.5", [1, 1, 2])])
@pytest.mark.parametrize("form", FORMS)
def test_thresholds_halt_at_inference_and_never_in_training(form: str, halt: str, counts: list[int]) -> None:
    text = THRESHOLDS.format(halt=halt)
    if halt.startswith("below"):
        text = text.replace("n * 1.5", "4 - n")
    net = load_net(Source("count.itn", text))
    p = (
        np.array([[0.1], [0.7], [2.0]], np.float32)
        if halt.startswith("above")
        else np.array([[2], [3], [1]], np.float32)
    )
    module = MAKERS[form](net)
    reference = interpret(net, {"p": p}, {})
    found = module.eval()(torch.from_numpy(p))
    assert found["count.iterations"].ravel().tolist() == reference["count.iterations"].ravel().tolist() == counts
    assert np.allclose(found["n"].numpy(), reference["n"])
    trained = module.train()(torch.from_numpy(p))
    assert trained["count.iterations"].ravel().tolist() == [6, 6, 6]
    assert np.allclose(trained["n"].numpy(), 6 * p)


def test_outputs_one_by_one() -> None:
    net = iamnn()
    module = lower(net, "rolled").eval()
    whole = module(*tensors(images()))
    found = dict(module.iterate(*tensors(images())))
    assert found.keys() == whole.keys()
    assert all(torch.equal(found[label], whole[label]) for label in found)


@pytest.mark.parametrize("form", FORMS)
def test_every_way_to_halt(form: str) -> None:
    net = load_net(read_source(ROOT / "tests" / "dsl" / "specs" / "halting.itn"))
    drawn = weights.initial(net, 3)
    rng = np.random.default_rng(0)
    inputs = {v.name: rng.normal(size=(5, *v.tensor.shape)).astype(np.float32) for v in net.inputs}
    wanted = interpret(net, inputs, drawn)
    with torch.no_grad():
        found = modules(net, drawn)[form](*tensors(inputs))
    close({k: v.numpy() for k, v in found.items()}, wanted, tolerances(net, inputs, drawn, wanted))


TIES = """net @ties(%x: f32[1]) {{
  %s, %n{remainder} = loop %t in 1..12 carry (%c = %x) {{
    %score = affine(%x): f32[1]
    %next = add(%c, %score): f32[1]
    halt {halt} %score {{limit = 0.1, ponder = 0.0}}
    yield %next
  }}: f32[1], f32[1]{type}
  return %s {{name = s}}
  return %n {{name = n}}{returned}
}}"""
ACT_TIES = {"remainder": ", %r", "type": ", f32[1]", "returned": "\n  return %r {name = r}"}


def ties(kind: str) -> Net:
    more = ACT_TIES if kind == "act" else dict.fromkeys(ACT_TIES, "")
    return verify(parse_net(TIES.format(halt=kind, **more)))


def beside(*numbers: float) -> Array:
    """Float32 numbers, and the ones next to each on both sides."""
    exact = np.array(numbers, np.float32)
    return np.concatenate([exact, np.nextafter(exact, np.float32(0)), np.nextafter(exact, np.float32(1))])[:, None]


def halts_at(kind: str, score: np.float32) -> int:
    """In which iteration a constant score halts: float32 sums, one after the other, and limits rounded to float32."""
    limit, total = np.float32(0.1), np.float32(0)
    for t in range(1, 13):
        total = np.float32(total + score)
        if {"act": total >= np.float32(1 - 0.1), "above": score > limit, "below": score < limit}[kind]:
            return t
    return 12


@pytest.mark.parametrize("kind", ["act", "above", "below"])
def test_scores_that_meet_the_limit_exactly_halt_alike_in_all_forms(kind: str) -> None:
    net = ties(kind)
    x = beside(0.9, 0.45, 0.3, 0.225, 0.18, 0.15, 0.1, 0.09) if kind == "act" else beside(0.1)
    expected = [halts_at(kind, score) for (score,) in x]
    reference = interpret(net, {"x": x}, {})
    assert {array.dtype for array in reference.values()} == {np.dtype(np.float32)}
    assert reference["n"].ravel().tolist() == expected
    assert len(set(expected)) > 1
    with torch.no_grad():
        for form, module in modules(net, {}).items():
            found = module(torch.from_numpy(x))
            for label, value in reference.items():
                assert np.array_equal(found[label].numpy(), value), (form, label)


def test_a_score_of_a_limit_does_not_pass_it_and_a_sum_of_a_bound_does() -> None:
    x = np.array([[0.1]], np.float32)
    assert [interpret(ties(kind), {"x": x}, {})["n"].item() for kind in ("above", "below")] == [12, 12]
    assert interpret(ties("act"), {"x": np.array([[0.9]], np.float32)}, {})["n"].item() == 1
