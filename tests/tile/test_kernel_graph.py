"""The kernel graph: built once per compilation, and each of its analyses computed once, however many stages ask."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import Any

import pytest

from itc_tile import load_machine, report
from itc_tile.compiler import compile_net
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.instances import KernelInstance
from tests.tile.hand_itnet import small_itnet

ANALYSES = sorted(name for name, value in vars(KernelGraph).items() if isinstance(value, cached_property))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often a graph is built and each of its analyses is computed."""
    counts: Counter[str] = Counter()
    original = KernelGraph.__init__

    def counted(self: KernelGraph, *arguments: Any, **named: Any) -> None:
        counts["graph"] += 1
        original(self, *arguments, **named)

    monkeypatch.setattr(KernelGraph, "__init__", counted)
    for name in ANALYSES:
        monkeypatch.setattr(KernelGraph, name, _counting(vars(KernelGraph)[name], name, counts))
    return counts


def _counting(analysis: cached_property[Any], name: str, counts: Counter[str]) -> cached_property[Any]:
    def compute(self: KernelGraph) -> Any:
        counts[name] += 1
        return analysis.func(self)

    counting = cached_property(compute)
    counting.__set_name__(KernelGraph, name)
    return counting


def test_one_compilation_and_report_computes_each_analysis_once(computed: Counter[str]) -> None:
    program = compile_net(small_itnet(4, shared=True), load_machine("edge-64"))
    report(program)
    assert computed == dict.fromkeys(["graph", *ANALYSES], 1)


def test_instances() -> None:
    """A loop of four iterations executes its kernels four times; private weights make replicas that execute once."""
    shared, private = (_graph(kind) for kind in (True, False))
    assert shared.instances["expand_1"].executions == private.instances["expand_1"].executions == 4
    assert (shared.instances["expand_1"].replicas, private.instances["expand_1"].replicas) == (1, 4)
    assert (
        shared.executions_of_fullest_replica["expand_1"] == 4 and private.executions_of_fullest_replica["expand_1"] == 1
    )


def _graph(shared: bool) -> KernelGraph:
    return compile_net(small_itnet(4, shared=shared), load_machine("edge-64")).graph


def test_facts_of_a_private_kernel() -> None:
    instance: KernelInstance = _graph(False).instances["expand_1"]
    assert [instance.replica_at({"t": t}) for t in (1, 2, 3, 4)] == [0, 1, 2, 3]
    assert instance.recurring_loops == ()
