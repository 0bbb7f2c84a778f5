"""What would be computed is estimated before it is, and refused where it takes too much memory or time."""

from __future__ import annotations

import resource
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import itc
from itc.analysis.samples import random_inputs
from itc.analysis.workload import PROCESS, Workload, check_weights, check_workload, workload
from itc.cli.errors import reporting
from itc.diagnostics import CompileError
from itc.driver import Network, training_backend
from itc.ir import Net, parse_net
from itc.source import Source
from itc_dsl import load_net

LOOPS = """
@loop(times)
iterative inner(carry x, times):
    x = relu(x)

@loop(times)
iterative outer(carry x, times):
    x = inner(x, 1000000)
"""


def net(*lines: str, shape: str = "3, 8, 8", head: str = "") -> Net:
    body = "".join(f"    {line}\n" for line in lines)
    return load_net(Source("spec.itn", f"{head}network net:\n    input x: f32[{shape}]\n{body}"))


def codes(found: Net, batch: int = 1) -> list[str]:
    try:
        check_workload(workload(found, batch), "computing it", found.span)
    except CompileError as error:
        assert all(diagnostic.primary for diagnostic in error.diagnostics)
        return [diagnostic.code for diagnostic in error.diagnostics]
    return []


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (net("emit y = relu(x) * x", shape="3, 20000, 20000"), ["E0665"]),
        (net("emit y = conv(x, 4, 3, dilation=20000)"), ["E0665"]),
        (net("emit y = conv(x, 4, 3, dilation=1000000000)"), ["E0665"]),
        (net("emit y = max_pool(x, 60001, stride=60001, pad=30000)"), ["E0665"]),
        (net("emit y = conv_transpose(x, 4, 1, stride=5000)"), ["E0665"]),
        (net("emit y = outer(x, 1000000)", head=LOOPS), ["E0666"]),
        (net("emit y = inner(x, 1000000)", head=LOOPS), []),
        (net("emit y = conv(x, 4, 3, dilation=3)"), []),
    ],
)
def test_sizes_that_are_refused(found: Net, expected: list[str]) -> None:
    start = time.process_time()
    assert codes(found) == expected
    assert time.process_time() - start < 1


def test_the_batch_counts() -> None:
    small = net("emit y = relu(x)", shape="3, 1000, 1000")
    assert codes(small) == []
    assert codes(small, 1000) == ["E0665"]


@pytest.mark.parametrize("name", ["dilation=3000", "stride=9001"])
def test_the_tiles_are_estimated_by_their_boxes(name: str) -> None:
    lines = {"dilation=3000": "conv(x, 4, 3, dilation=3000)", "stride=9001": "max_pool(x, 9001, stride=9001, pad=4500)"}
    compiled = Network(net(f"emit y = {lines[name]}")).compile("gc200")
    with pytest.raises(CompileError, match=r"E066[56].*simulating net would take about"):
        compiled.run({"x": np.zeros((1, 3, 8, 8), np.float32)}, compiled.network.weights())


def test_loops_too_long_for_the_tiles() -> None:
    compiled = Network(net("emit y = inner(x, 1000000)", head=LOOPS)).compile("edge-16")
    with pytest.raises(CompileError, match="E0666"):
        compiled.run({"x": np.zeros((1, 3, 8, 8), np.float32)}, {})


def test_weights_of_any_size_are_refused_before_they_are_made() -> None:
    pytest.importorskip("torch")
    large = Network(net("emit y = linear(x, 1000000000)", shape="1000"))
    for call in (large.weights, large.torch, lambda: check_weights(large.ir)):
        with pytest.raises(CompileError, match=r"E0665.*the weights of net would take about 3,729"):
            call()
    assert large.cost().params == 1001 * 10**9


def test_torch_is_refused_alike() -> None:
    pytest.importorskip("torch")
    found = net("emit y = outer(x, 1000000)", head=LOOPS)
    with pytest.raises(CompileError, match="E0666"):
        training_backend().forward(found, {"x": np.zeros((1, 3, 8, 8), np.float32)}, {})


def test_the_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Workload(2**30 - PROCESS, 0)
    monkeypatch.setattr(itc.analysis.workload, "LIBRARIES", {})
    check_workload(found, "computing it")
    monkeypatch.setattr(itc.analysis.workload, "LIBRARIES", {"torch": 192 * 2**20})
    with pytest.raises(CompileError, match=r"E0665.*about 1\.19 GiB of memory, the limit is 1 GiB[^$]*ITC_MAX_GIB=2`"):
        check_workload(found, "computing it")


def test_the_bounds_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    small = net("emit y = relu(x)", shape="3, 1000, 1000")
    monkeypatch.setenv("ITC_MAX_GIB", "0.01")
    monkeypatch.setenv("ITC_MAX_GIGAOPERATIONS", "0.001")
    assert codes(small) == ["E0665", "E0666"]
    monkeypatch.setenv("ITC_MAX_GIB", "1")
    monkeypatch.setenv("ITC_MAX_GIGAOPERATIONS", "not a number")
    assert codes(small) == []


CHAIN = " |> ".join(["conv(8, 3, pad=1)", "relu"] * 12)


def loop(count: int, collected: int = 1, halt: str = "") -> Net:
    """A loop over a map of 128 KiB that collects it in its first iterations."""
    types = f"f32[8, 64, 64], {collected} x f32[8, 64, 64]" + (", f32[8], f32[8]" if halt else "")
    names = "%c, %s" + (", %n, %r" if halt else "")
    return parse_net(f"""net @n(%x: f32[8, 64, 64]) {{
      {names} = loop %t in 1..{count} carry (%a = %x) {{
        %1 = relu(%a): f32[8, 64, 64]
        %2 = add(%1, %a): f32[8, 64, 64]
        emit when %t in {{1..{collected}}} {{
          %3 = sigmoid(%1): f32[8, 64, 64]
          yield %3
        }}
        %4 = relu(%2): f32[8, 64, 64]
        %5 = reduce_mean(%4) {{axes = [-2, -1]}}: f32[8]
        %6 = affine(%5) {{factor = 0.0, offset = 0.01}}: f32[8]
        {halt}
        yield %4
      }}: {types}
      return %c {{name = c}}
      return %s {{name = s, at = {{1..{collected}}}}}
    }}""")


def peak(network: Network) -> int:
    """Bytes that the interpreter allocates at most, beside inputs and weights."""
    weights, inputs = network.weights(), random_inputs(network.ir)
    tracemalloc.start()
    network.interpret(inputs, weights)
    (_, most), _ = tracemalloc.get_traced_memory(), tracemalloc.stop()
    return most


@pytest.mark.parametrize(
    "found",
    [
        net("emit y = conv(x, 8, 3, dilation=100)", shape="3, 64, 64"),
        net("emit y = max_pool(x, 401, stride=1, pad=200)", shape="3, 40, 40"),
        net(f"emit y = x |> {CHAIN}", shape="8, 128, 128"),
        loop(20),
        loop(20, collected=16),
        loop(20, halt="halt act %6 {limit = 0.01, ponder = 0.0}"),
    ],
)
def test_the_estimate_holds_for_the_interpreter(found: Net) -> None:
    most, estimate = peak(Network(found)), workload(found).bytes
    assert most < 1.2 * estimate + 2**20
    assert estimate < 4 * most


def test_values_are_dropped_behind_their_last_use() -> None:
    map_bytes = 4 * 8 * 128 * 128
    assert peak(Network(net(f"emit y = x |> {CHAIN}", shape="8, 128, 128"))) < 6 * map_bytes


def test_what_a_loop_collects_is_all_that_grows_with_it() -> None:
    map_bytes = 4 * 8 * 64 * 64
    once, long, collecting = (peak(Network(each)) for each in (loop(2), loop(40), loop(40, collected=32)))
    assert abs(long - once) < 0.1 * map_bytes
    assert collecting - long == pytest.approx(31 * map_bytes, rel=0.1)
    assert workload(loop(40, collected=32)).bytes - workload(loop(40)).bytes == 31 * map_bytes


def test_every_example_can_be_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(itc.analysis.workload, "LIBRARIES", {})
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.itn")):
        expected = ["E0665", "E0666"] if path.stem == "recurrent_depth" else []  # 3.5 G parameters take 13 GiB
        assert codes(itc.load(path).ir) == expected, path.name


def test_a_machine_without_enough_memory(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised, reporting():
        raise MemoryError("Unable to allocate 7 TiB")
    assert raised.value.code == 1
    assert (
        "error[E0665]: this machine has not enough memory for it: Unable to allocate 7 TiB" in capsys.readouterr().err
    )


def test_the_estimates_take_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    codes(net("emit y = conv(x, 4, 3, dilation=1000000000)"))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000
