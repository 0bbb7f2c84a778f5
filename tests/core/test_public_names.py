"""The public names of itc, and what they look like in a notebook."""

from __future__ import annotations

import inspect
import pydoc
from pathlib import Path

import pytest

import itc
from itc.driver import Network
from itc.html import html
from itc.tables import Column, Table

TEXT = "network n(f=4):\n    input x: f32[3, 8, 8]\n    emit y = conv(x, f, 3) |> relu\n"
NAMES = ("Compiled", "CompileError", "Diagnostic", "Network", "Sweep", "__version__", "load", "loads", "sweep")
#: What a network offers, with the parameters.
NETWORK = {
    "after": "(self, *passes: 'str | Transform') -> 'Network'",
    "cost": "(self) -> 'Cost'",
    "difference": "(self, other: 'Network') -> 'Difference'",
    "text": "(self) -> 'str'",
    "emit": "(self, to: 'str' = '') -> 'str'",
}


def test_public_names() -> None:
    assert tuple(itc.__all__) == NAMES
    assert set(NAMES) <= set(dir(itc))
    shown = pydoc.plain(pydoc.render_doc(itc))
    assert all(name in shown for name in NAMES)
    assert {name: str(inspect.signature(getattr(Network, name))) for name in NETWORK} == NETWORK
    public = {name for name in vars(Network) if not name.startswith("_")}
    assert {*NETWORK, "compared", "compile", "interpret", "steps", "torch", "weights"} <= public


def test_a_network_of_a_text(tmp_path: Path) -> None:
    (tmp_path / "n.itn").write_text(TEXT)
    net = itc.loads(TEXT, f=8)
    assert net.ir.params == itc.load(tmp_path / "n.itn", f=8).ir.params
    with pytest.raises(itc.CompileError, match="<text>:3"):
        itc.loads(TEXT.replace("relu", "rely"))
    with pytest.raises(TypeError):
        itc.loads(Path("n.itn"))  # type: ignore[arg-type]
    torch = pytest.importorskip("torch")
    module = itc.loads(TEXT).torch()
    assert module(torch.zeros(2, 3, 8, 8))["y"].shape == (2, 4, 8, 8)


def test_what_a_notebook_shows() -> None:
    net = itc.loads(TEXT)
    assert repr(net) == "<Network n(x: f32[3, 8, 8]) -> y x 1; 1 parameter tensors>"
    assert repr(net.cost()) == ("<Cost of n: 108 parameters, 6,912 MACs, graph 2.17 KiB, latency 1, 1 outputs>")
    assert '<td style="text-align:right">6,912</td>' in net._repr_html_()
    compiled = net.compile("edge-16")
    assert repr(compiled) == "<Compiled n on edge-16 (simulated)>"
    assert compiled._repr_html_().count("<table>") == len(compiled.report.tables())


def test_html_is_escaped() -> None:
    table = Table("<b>", (Column("a&b"), Column(right=True)), (("<script>", "1\n2"),), "x < y")
    text = html(table)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    assert "1<br>2" in text
    assert text.endswith("<p><small>x &lt; y</small></p>")


def test_costs_as_a_frame() -> None:
    net = itc.loads(TEXT)
    pandas = pytest.importorskip("pandas")
    frame = net.cost().frame()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.loc["y", "macs"] == 6912
