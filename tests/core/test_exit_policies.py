"""Exit policies: budgets that are kept, choices alike in all backends, files from strangers."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import itc
from itc.diagnostics import CompileError
from itc.exits import ExitPolicy, calibrate, choose, confidence, load_policy, policy_of, positions_taken, save_policy

ITNET = Path(__file__).parents[2] / "examples" / "itnet.itn"


def untrained(exits: int) -> ExitPolicy:
    return ExitPolicy(output="y", kind="margin", exits=tuple(range(1, exits + 1)), thresholds=(None,) * (exits - 1))


@settings(deadline=None)
@given(st.integers(1, 5), st.integers(1, 40), st.floats(0, 1), st.integers(0, 999))
def test_the_mean_cost_is_within_the_budget(exits: int, samples: int, share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    costs = np.sort(rng.integers(1, 1000, exits))
    budget = float(costs[0] + share * (costs[-1] - costs[0]))
    confidences = rng.random((samples, exits))
    policy = calibrate(untrained(exits), confidences, costs, budget)
    assert costs[positions_taken(policy, confidences)].mean() <= budget
    if share == 1:
        assert (positions_taken(policy, confidences) == exits - 1).all() or costs[-1] == costs[0]


def test_a_budget_is_used() -> None:
    """With two exits, one sample more at the second would be over the budget."""
    confidences = np.random.default_rng(0).random((50, 2))
    for budget in (1.0, 1.5, 2.9, 7.3, 10.0):
        taken = positions_taken(calibrate(untrained(2), confidences, (1, 10), budget), confidences)
        assert np.mean(taken * 9 + 1) <= budget
        assert taken.all() or np.mean(taken * 9 + 1) + 9 / 50 > budget
        if taken.any() and not taken.all():
            assert confidences[taken == 1, 0].max() < confidences[taken == 0, 0].min()


def test_more_budget_costs_no_less() -> None:
    confidences, costs = np.random.default_rng(1).random((200, 4)), np.array([1, 3, 4, 9])
    spent = [
        costs[positions_taken(calibrate(untrained(4), confidences, costs, b), confidences)].mean() for b in range(1, 10)
    ]
    assert spent == sorted(spent)
    assert (spent[0], spent[-1]) == (1, 9)


def test_confidences_by_hand() -> None:
    scores = np.log(np.array([[0.5, 0.3, 0.2], [1, 0, 0]]) + 1e-300)
    np.testing.assert_allclose(confidence(scores, "probability"), [0.5, 1])
    np.testing.assert_allclose(confidence(scores, "margin"), [0.2, 1])
    entropy = -(0.5 * np.log(0.5) + 0.3 * np.log(0.3) + 0.2 * np.log(0.2)) / np.log(3)
    np.testing.assert_allclose(confidence(scores, "entropy"), [1 - entropy, 1])
    maps = np.repeat(scores[:, :, None, None], 2, 3)
    maps[0, :, 0, 1] = scores[1]
    np.testing.assert_allclose(confidence(maps), [0.75, 1])


def test_all_backends_choose_alike() -> None:
    torch = pytest.importorskip("torch")
    net = itc.load(ITNET, height=48, width=64, iterations=4, exits=[1, 2, 4])
    weights = net.weights()
    image = np.random.default_rng(0).random((6, 3, 48, 64), dtype=np.float32)
    outputs = net.interpret({"image": image}, weights)
    empty = policy_of(net.ir)
    confidences = np.stack([confidence(outputs[label]) for label in empty.labels], 1)
    costs = [output.macs for output in net.cost().outputs if output.label in empty.labels]
    policy = calibrate(empty, confidences, costs, float(np.mean(costs)))
    module = net.torch()
    module.load_state_dict({key: torch.from_numpy(value) for key, value in weights.items()})
    with torch.no_grad():
        in_torch = {label: value.numpy() for label, value in module.eval()(torch.from_numpy(image)).items()}
    on_tiles = net.compile("gc200").run({"image": image}, weights)
    chosen = [choose(policy, each) for each in (outputs, in_torch, on_tiles)]
    assert len(np.unique(chosen[0].positions)) > 1
    assert chosen[0].cost(costs) <= np.mean(costs)
    for other in chosen[1:]:
        np.testing.assert_array_equal(other.positions, chosen[0].positions)
        np.testing.assert_allclose(other.predictions, chosen[0].predictions, atol=1e-3)


def test_a_file(tmp_path: Path) -> None:
    policy = ExitPolicy(output="y", kind="entropy", exits=(2, 5, 9), thresholds=(0.5, None))
    save_policy(tmp_path / "policy.json", policy)
    assert load_policy(tmp_path / "policy.json") == policy


WRONG = [
    "", "[]", "{}", "nan", "[" * 100_000,
    '{"output": "y", "kind": "margin", "exits": [1, 2], "thresholds": []}',
    '{"output": "y", "kind": "margin", "exits": [2, 1], "thresholds": [0.5]}',
    '{"output": "y", "kind": "margin", "exits": [1, 2], "thresholds": [1e999]}',
    '{"output": "y", "kind": "margin", "exits": [1, 2], "thresholds": ["0.5"]}',
    '{"output": "y", "kind": "guess", "exits": [1, 2], "thresholds": [0.5]}',
    '{"output": "y", "kind": "margin", "exits": [1, 2], "thresholds": [0.5], "more": 1}',
    "x" * (1 << 21),
]  # fmt: skip


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_a_file_that_is_no_policy(tmp_path: Path, text: str) -> None:
    (tmp_path / "policy.json").write_text(text)
    with pytest.raises(CompileError) as raised:
        load_policy(tmp_path / "policy.json")
    assert [each.code for each in raised.value.diagnostics] == ["E0592"]


def test_what_does_not_fit_is_refused() -> None:
    net = itc.load(ITNET, height=48, width=64)
    for wrong in (
        lambda: policy_of(net.ir, "none"),
        lambda: choose(policy_of(net.ir), {"segmentation@1": np.zeros((1, 2))}),
    ):
        with pytest.raises(CompileError) as raised:
            wrong()
        assert raised.value.diagnostics[0].code == "E0590"
    with pytest.raises(CompileError) as raised:
        calibrate(untrained(2), np.zeros((3, 2)), (5, 6), 4)
    assert raised.value.diagnostics[0].code == "E0591"
    for confidences, costs in product([np.zeros((3, 3)), np.zeros((0, 2)), np.full((3, 2), np.nan)], [(1, 2)]):
        with pytest.raises(ValueError, match="confidences"):
            calibrate(untrained(2), confidences, costs, 4)
    with pytest.raises(ValueError, match="costs"):
        calibrate(untrained(2), np.zeros((3, 2)), (2, 1), 4)
