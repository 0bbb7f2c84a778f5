"""Critical paths: their lengths are the longest paths, and their executions add up to them."""

from __future__ import annotations

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from itc.analysis.depth import longest_paths
from itc.ir import Net, parse_net
from itc_tile.kernels.critical import CriticalPaths
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.kernel import Kernel
from tests.random_nets import Limits, nets


@settings(max_examples=60, deadline=None, phases=(Phase.explicit, Phase.generate))
@given(nets(Limits(statements=6, depth=3)), st.integers(0, 99))
def test_lengths_are_longest_paths(net: Net, seed: int) -> None:
    graph = KernelGraph(fuse(net))
    cycles = {label: (seed * 7919 + 31 * number) % 97 + 1 for number, label in enumerate(graph.instances)}
    expected = longest_paths(
        graph.net, lambda apply: cycles.get(apply.op.label, 0) if isinstance(apply.op, Kernel) else 0
    )
    critical = CriticalPaths(graph.net, graph.instances)
    found = critical.paths(cycles)
    assert {label: path.cycles for label, path in found.items()} == expected
    for label, path in found.items():
        assert sum(cycles[kernel] * count for kernel, count in path.executions.items()) == path.cycles
        assert critical.paths(cycles, [label]) == {label: path}
        assert all(count <= graph.instances[kernel].executions for kernel, count in path.executions.items())


def test_long_loops_take_no_longer() -> None:
    """A million iterations, with two carries of different length and an exit in the middle."""
    text = """
net @long(%a: f32[4], %b: f32[4]) {
  %5, %6, %7 = loop %t in 1..1000000 carry (%x = %a, %y = %b) {
    %1 = softmax(%x): f32[4]
    %2 = softmax(%y): f32[4]
    %3 = softmax(%2): f32[4]
    emit when %t in {500000} {
      %4 = softmax(%3): f32[4]
      yield %4
    }
    yield %1, %3
  }: f32[4], f32[4], 1 x f32[4]
  return %6 {name = y}
  return %7 {name = z, at = {500000}}
}
"""
    graph = KernelGraph(fuse(parse_net(text)))
    labels = list(graph.instances)
    assert len(labels) == 4
    found = CriticalPaths(graph.net, labels).paths(dict.fromkeys(labels, 3))
    assert found["y"].cycles == 6 * 1_000_000
    assert found["z@500000"].cycles == 6 * 500_000 + 3
    assert set(found["y"].executions.values()) == {1_000_000}
