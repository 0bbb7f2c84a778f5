"""`module.loss` of every kind in every form, against losses written by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from itc.ir import Net
from itc.source import Source
from itc_dsl import load_net
from itc_torch import lower
from tests.torch.forms import MAKERS

FORMS = list(MAKERS)
HAND: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": lambda y, t: ((y - t) ** 2).mean(),
    "l1": lambda y, t: (y - t).abs().mean(),
    "huber": lambda y, t: torch.where((y - t).abs() < 1, (y - t) ** 2 / 2, (y - t).abs() - 0.5).mean(),
    "bce": lambda y, t: (t * (1 + (-y).exp()).log() + (1 - t) * (1 + y.exp()).log()).mean(),
    "kl": lambda y, t: (t * (t.log() - y.softmax(1).log())).sum(1).mean(),
}
TEXT = """
@share(all)
output head(x):
    return conv(x, 4, 1)

@loop(times)
iterative refine(carry x, times):
    x = x + (x |> conv(channels(x), 3) |> relu)

network n(times=3):
    input image: f32[3, 6, 5]
    x = refine(image, times)
    @loss({kind}, weight={weight}, target=truth)
    emit y = head(x) at [1, 3]
"""


def net(kind: str = "mse", weight: str = "iteration") -> Net:
    loaded = load_net(Source("n.itn", TEXT.format(kind="mse", weight=weight)))
    return replace(loaded, outputs=tuple(replace(output, loss=kind) for output in loaded.outputs))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", HAND)
def test_kinds_of_numbers(kind: str, form: str) -> None:
    module = MAKERS[form](net(kind))
    outputs = module(torch.rand(2, 3, 6, 5))
    truth = torch.rand(2, 4, 6, 5).softmax(1)
    expected = (HAND[kind](outputs["y@1"], truth) + 3 * HAND[kind](outputs["y@3"], truth)) / 4
    for targets in (truth, {"truth": truth}):
        assert module.loss(outputs, targets).item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_cross_entropy_of_maps_ignores_what_is_not_labelled(form: str) -> None:
    module = MAKERS[form](net("cross_entropy", "[2, 2]"))
    outputs = module(torch.rand(2, 3, 6, 5))
    truth = torch.randint(4, (2, 6, 5))
    truth[0, :3] = 255
    known = truth != 255
    parts = []
    for label in ("y@1", "y@3"):
        logs = outputs[label].log_softmax(1).movedim(1, -1)[known]
        parts.append(-logs[torch.arange(len(logs)), truth[known]].mean())
    found = module.loss(outputs, {"truth": truth, "more": truth}, ignore_index=255)
    assert found.item() == pytest.approx((parts[0] + parts[1]).item() / 2, rel=1e-6)
    found.backward()
    assert all(p.grad is not None for p in module.parameters())


TOKENS = """
network n:
    input tokens: i64[7]
    h = embed(tokens, 11, 6)
    @loss(cross_entropy, weight=3)
    emit tags = linear(h, 4)
    @loss(mse)
    emit size = linear(h, 1)
"""


@pytest.mark.parametrize("form", FORMS)
def test_classes_of_tokens_are_the_last_axis_and_weights_of_all_outputs_sum_to_one(form: str) -> None:
    module = MAKERS[form](load_net(Source("n.itn", TOKENS)))
    outputs = module(torch.randint(11, (2, 7)))
    tags, size = torch.randint(4, (2, 7)), torch.rand(2, 7, 1)
    entropy = F.cross_entropy(outputs["tags"].flatten(0, 1), tags.flatten())
    expected = 0.75 * entropy + 0.25 * (outputs["size"] - size).square().mean()
    assert module.loss(outputs, {"tags": tags, "size": size}).item() == pytest.approx(expected.item(), rel=1e-6)


HALTING = """
@loop(max=4)
@halt(act, epsilon=0.1, ponder=0.25)
iterative refine(carry x):
    x = x + conv(x, channels(x), 3)
    halt global_pool(x) |> linear(1) |> sigmoid

network n:
    input image: f32[3, 6, 5]
    @loss(mse)
    emit y = refine(image)
"""


@pytest.mark.parametrize("form", FORMS)
def test_the_ponder_cost_is_part_of_the_loss(form: str) -> None:
    module = MAKERS[form](load_net(Source("n.itn", HALTING)))
    outputs = module(torch.rand(2, 3, 6, 5))
    truth = torch.rand(2, 3, 6, 5)
    pondered = outputs["refine.iterations"] + outputs["refine.remainder"]
    expected = (outputs["y"] - truth).square().mean() + 0.25 * pondered.mean()
    assert module.loss(outputs, truth).item() == pytest.approx(expected.item(), rel=1e-6)


def test_targets_that_do_not_fit_are_named() -> None:
    module = lower(net())
    outputs = module(torch.rand(2, 3, 6, 5))
    with pytest.raises(ValueError, match=r"no `truth`; .* given label"):
        module.loss(outputs, {"label": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"another shape: \[2, 1, 6, 5\] for an output of \[2, 4, 6, 5\]"):
        module.loss(outputs, torch.zeros(2, 1, 6, 5))
    bare = lower(load_net(Source("n.itn", "network n:\n    input x: f32[3]\n    emit y = relu(x)\n")))
    with pytest.raises(ValueError, match="no output of the network has a loss"):
        bare.loss(bare(torch.zeros(1, 3)), torch.zeros(1, 3))
