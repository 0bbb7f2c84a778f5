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


def test_itnet_on_gc200() -> None:
    net = itc.load(ITNET)
    print(f"\ncompile and time of ItNet CamVid on gc200: {seconds(compile_and_time(net)):.2f} s (asked: under 5 s)")


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
