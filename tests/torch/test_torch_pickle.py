"""Whole modules are saved and loaded: rolled, unrolled, and those that halt."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Literal

import pytest
import torch

import itc
from itc_torch import Network, lower

SPECS = {
    "loop": """
@loop(times)
@share(all, private=norm)
iterative refine(carry x, times):
    x = x + (x |> conv(channels(x), 3) |> batch_norm |> relu)

network n(times=3):
    input image: f32[3, 6, 5]
    emit y = refine(image, times) |> global_pool |> linear(2)
""",
    "halting": """
@loop(max=4)
@halt(act, epsilon=0.1)
iterative refine(carry x):
    x = x + conv(x, channels(x), 3)
    halt global_pool(x) |> linear(1) |> sigmoid

network n:
    input image: f32[3, 6, 5]
    emit y = refine(image)
""",
}


@pytest.mark.parametrize("form", ["rolled", "unrolled"])
@pytest.mark.parametrize("kind", SPECS)
def test_saved_and_loaded(tmp_path: Path, kind: str, form: Literal["rolled", "unrolled"]) -> None:
    (tmp_path / "n.itn").write_text(SPECS[kind])
    module = lower(itc.load(tmp_path / "n.itn").ir, form).eval()
    first = next(iter(module.parameters())).requires_grad_(False)
    first.data.mul_(2)
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    again = torch.load(file, weights_only=False)
    assert isinstance(again, Network) and not again.training
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in module.parameters()]
    image = torch.rand(2, 3, 6, 5)
    for other in (again, copy.deepcopy(module)):
        for label, value in module(image).items():
            assert torch.equal(other(image)[label], value)
