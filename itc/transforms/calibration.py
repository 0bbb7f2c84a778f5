"""Largest magnitudes of a net's values over sample inputs, for the scales of its quantised form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np

from itc.analysis.samples import random_inputs
from itc.analysis.workload import check_workload, workload
from itc.arguments import checked_inputs, completed
from itc.interpreter import Weights, _Interpreter
from itc.ir.net import Apply, Net
from itc.ir.op import Array

Arrays = Mapping[str, Array]


def magnitudes(net: Net, weights: Weights, samples: Iterable[Arrays]) -> dict[str, float]:
    """By name of a value, its largest finite magnitude in the samples; values that no sample reaches are missing."""
    recorder = _Recorder(net, weights)
    for sample in samples:
        recorder.run(completed(net, sample))
    return recorder.largest


def drawn(net: Net, count: int, seed: int) -> Iterator[Arrays]:
    """`count` random inputs of one sample. Raises CompileError (E0665, E0666) if they take too much to run."""
    once = workload(net)
    check_workload(replace(once, operations=once.operations * count), f"{count} inputs of {net.name}", net.span)
    return (random_inputs(net, seed + number) for number in range(count))


def given(net: Net, inputs: Arrays) -> Iterator[Arrays]:
    """The samples of arrays [batch, ...], one by one. Raises CompileError (E0660 to E0663)."""
    whole = checked_inputs(net, inputs)
    count = min((len(array) for array in whole.values()), default=0)
    return ({name: array[at : at + 1] for name, array in whole.items()} for at in range(count))


class _Recorder(_Interpreter):
    """Interprets a net, and keeps the largest magnitude of each input and result."""

    def __init__(self, net: Net, weights: Weights) -> None:
        super().__init__(net, weights)
        self.largest: dict[str, float] = {}

    def run(self, inputs: Arrays) -> None:
        self.values.clear()
        self.values.update(inputs)
        for name, array in inputs.items():
            self.record(name, array)
        self.statements(self.net.body)

    def apply(self, apply: Apply) -> None:
        super().apply(apply)
        for result in apply.results:
            value = self.values.get(result.name)
            if isinstance(value, np.ndarray):
                self.record(result.name, value)

    def record(self, name: str, array: Array) -> None:
        if array.dtype.kind == "f":
            found = np.abs(array[np.isfinite(array)]).max(initial=0)
            self.largest[name] = max(self.largest.get(name, 0.0), float(found))
