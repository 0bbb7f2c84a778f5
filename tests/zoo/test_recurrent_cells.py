"""The recurrent cells of std against PyTorch's own, with the same weights, over several steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from itc.driver import load
from itc.ir.op import Array
from tests.random_nets import random_inputs, random_weights

SPECS = {
    "gru": """from std import gru

@loop(times)
iterative walk(carry h, x, times):
    h = gru(x, h)

network cell(times=3):
    input x: f32[5]
    input h: f32[4]
    emit out = walk(h, x, times=times)
""",
    "lstm": """from std import lstm

@loop(times)
iterative walk(carry h, carry c, x, times):
    h, c = lstm(x, h, c)

network cell(times=3):
    input x: f32[5]
    input h: f32[4]
    input c: f32[4]
    h, c = walk(h, c, x, times=times)
    emit out = h
""",
}
#: PyTorch's order of the gates in its stacked weights.
GATES = {"gru": ("reset", "update", "new"), "lstm": ("take", "keep", "new", "show")}


def stacked(weights: dict[str, Array], cell: str, end: str) -> torch.Tensor:
    return torch.from_numpy(np.concatenate([weights[f"walk.{cell}.{gate}{end}"] for gate in GATES[cell]]))


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_cell_is_pytorchs(cell: str, tmp_path: Path) -> None:
    (tmp_path / "cell.itn").write_text(SPECS[cell])
    net = load(tmp_path / "cell.itn")
    weights, inputs = random_weights(net.ir), random_inputs(net.ir)
    theirs = {"gru": torch.nn.GRUCell, "lstm": torch.nn.LSTMCell}[cell](5, 4)
    ends = {"weight_ih": "_in.weight", "weight_hh": ".weight", "bias_ih": "_in.bias", "bias_hh": ".bias"}
    theirs.load_state_dict({key: stacked(weights, cell, end) for key, end in ends.items()})
    x, *state = (torch.from_numpy(inputs[name]) for name in inputs)
    with torch.no_grad():
        for _ in range(3):
            state = [theirs(x, state[0])] if cell == "gru" else list(theirs(x, tuple(state)))
    (found,) = net.interpret(inputs, weights).values()
    np.testing.assert_allclose(found, state[0].numpy(), rtol=1e-5, atol=1e-6)
