"""Every network of `examples/` on the tile machine, at a reduced input: its outputs are the interpreter's.

Loops that halt are refused by the machine, and the refusal is what is held of those networks.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from itc.diagnostics import CompileError
from itc.driver import Network
from itc.ir import Loop, walk
from tests.rounding import close, tolerances
from tests.zoo.reduced import QUICK, SEEDS, light_networks, networks, reduced, weights_and_inputs


@pytest.fixture(autouse=True)
def _memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for the largest networks in a process that has loaded torch, which counts 192 MiB."""
    monkeypatch.setenv("ITC_MAX_GIB", "2")


def check(net: Network, seed: int) -> None:
    if any(isinstance(statement, Loop) and statement.halt for statement in walk(net.ir.body)):
        with pytest.raises(CompileError) as raised:
            net.compile("gc200")
        assert {diagnostic.code for diagnostic in raised.value.diagnostics} == {"E0514"}
        return
    weights, inputs = weights_and_inputs(net, 1, seed)
    found, expected = net.compile("gc200").run(inputs, weights), net.interpret(inputs, weights)
    close(found, expected, tolerances(net.ir, inputs, weights, expected))


FIRST = light_networks()
OTHERS = tuple(found for found in networks() if found not in FIRST)


@pytest.mark.parametrize(("path", "name"), FIRST, ids=[name for _, name in FIRST])
def test_the_first_network_of_each_file(path: Path, name: str) -> None:
    check(reduced(path, name, **QUICK.get(path.stem, {})), SEEDS.get(name, 0))


@pytest.mark.long
@pytest.mark.parametrize(("path", "name"), OTHERS, ids=[name for _, name in OTHERS])
def test_every_other_network(path: Path, name: str) -> None:
    check(reduced(path, name, **QUICK.get(path.stem, {})), SEEDS.get(name, 0))
