"""How long things take, as ratios within one run; printed, and never a reason to fail."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import itc
import itc_dsl
from itc.source import Source
from tests.dsl.test_bounds import long_spec

pytestmark = pytest.mark.benchmark
ITNET = Path(__file__).parents[2] / "examples" / "itnet.itn"


def seconds(work: Callable[[], object], runs: int = 3) -> float:
    """Median time of some runs after one that is not counted."""
    work()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def compile_and_time(net: itc.Network) -> Callable[[], object]:
    return lambda: net.compile("gc200").report


def test_the_length_of_the_loop_changes_no_time() -> None:
    short, long = (itc.load(ITNET, iterations=n, exits=[1, 2, 4]) for n in (4, 64))
    works: list[tuple[str, Callable[[itc.Network], Callable[[], object]], int]]
    works = [("cost", lambda net: net.cost, 41), ("compile and time", compile_and_time, 5)]
    for what, work, runs in works:
        ratio = seconds(work(long), runs) / seconds(work(short), runs)
        print(f"\n{what}: N = 64 takes {ratio:.2f} times as long as N = 4")


@pytest.mark.parametrize("share", ["all", "none", "every(3)"])
def test_costs_of_long_loops_and_of_many_exits(share: str) -> None:
    def taken(iterations: int, exits: int) -> float:
        chosen = np.unique(iterations ** np.linspace(0.3, 1, exits) // 1).astype(int).tolist()
        net = itc.load(ITNET, iterations=iterations, exits=chosen, **{"refine.share": share})
        return seconds(net.cost)

    short = taken(16, 8)
    for iterations, exits in ((10**6, 8), (2000, 1000), (10**6, 1000)):
        ratio = taken(iterations, exits) / short
        print(f"\ncost, weights shared {share}: {iterations:,} iterations, {exits:,} exits: {ratio:.1f} x 16 and 8")


def test_itnet_on_gc200() -> None:
    net = itc.load(ITNET)
    print(f"\ncompile and time of ItNet CamVid on gc200: {seconds(compile_and_time(net)):.2f} s (asked: under 5 s)")


def load(text: str, network: str | None = None) -> Callable[[], object]:
    return lambda: itc_dsl.load_net(Source("spec.itn", text), network)


def test_loading() -> None:
    resnet = (ITNET.parent / "resnet.itn").read_text()
    print(f"\nloading ResNet-152: {seconds(load(resnet, 'resnet152')):.2f} s (asked: under 1 s)")
    short, long = (seconds(load(long_spec(lines)), 1) for lines in (2_500, 10_000))
    print(
        f"loading 10,000 lines: {long:.2f} s (asked: under 10 s), {long / short:.1f} times as long as a quarter of them"
    )


def test_the_command_line() -> None:
    command = [sys.executable, "-c", "from itc.cli import main; main()", "cost", str(ITNET), "--json"]
    taken = seconds(lambda: subprocess.run(command, check=True, capture_output=True))
    print(f"\nitc cost as a whole process: {taken:.2f} s (asked: under 1 s)")


def test_values_against_torch() -> None:
    net = itc.load(ITNET)
    weights = net.weights()
    image = {"image": np.random.default_rng(0).random((1, 3, 360, 480), np.float32)}
    compiled, torch = net.compile("gc200"), itc.driver.training_backend()
    simulated = seconds(lambda: compiled.run(image, weights), 1)
    forward = seconds(lambda: torch.forward(net.ir, image, weights), 1)
    print(f"\nvalues of the tile machine take {simulated / forward:.1f} times torch's forward ({simulated:.1f} s)")
