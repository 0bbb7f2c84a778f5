"""Machine files: presets, every way to get one wrong as golden texts, and the edits that the helps propose."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from itc.diagnostics import CompileError, render
from itc.source import Source
from itc_tile.machine.model import Machine, load_machine, parse_machine, preset_text, presets
from itc_tile.machine.quantities import BYTES, CLOCK, COUNT, CYCLES
from tests.conftest import Golden

ERRORS = Path(__file__).parent / "errors"
WRONG = sorted(ERRORS.glob("*.yaml"))
MENDED_BY_HAND = {
    "anchor",
    "binary",
    "deep",
    "empty",
    "foreign_key",
    "list",
    "long_name",
    "misplaced_key",
    "missing_section",
    "syntax",
    "tab",
    "text_for_section",
    "wrong_number",
}


def diagnose(path: Path) -> CompileError:
    with pytest.raises(CompileError) as caught:
        parse_machine(Source(path.name, path.read_text(encoding="utf-8")))
    return caught.value


def mended(source: Source) -> Machine:
    """The machine after every edit that the diagnostics propose, one after the other."""
    for _ in range(20):
        try:
            return parse_machine(source)
        except CompileError as error:
            edit = next(d.edit for d in error.diagnostics if d.edit)
            source = Source(source.name, edit.apply())
    raise AssertionError(f"the edits do not end:\n{source.text}")


@pytest.mark.parametrize("path", WRONG, ids=lambda path: path.stem)
def test_wrong_machines(path: Path, golden: Golden) -> None:
    golden(path.with_suffix(".err"), render(diagnose(path).diagnostics))


@pytest.mark.parametrize("path", [p for p in WRONG if p.stem not in MENDED_BY_HAND], ids=lambda path: path.stem)
def test_edits_mend(path: Path) -> None:
    mended(Source(path.name, path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", presets())
def test_presets_are_machines_of_their_name(name: str) -> None:
    machine = load_machine(name)
    assert machine.name == name
    assert machine.grid is None or machine.grid[0] * machine.grid[1] == machine.tiles


@pytest.mark.parametrize("name", presets())
def test_every_value_of_a_preset_has_its_source(name: str) -> None:
    """Published machines give a mark for every figure; invented ones say so in their first line."""
    text = preset_text(name)
    if "invented" in text.splitlines()[0]:
        return
    figures = [line for line in text.splitlines() if line.partition("#")[0].strip()]
    figures = [line for line in figures if not line.rstrip().endswith(":") and not line.startswith(("name", "about"))]
    bare = [line for line in figures if "#" not in line and "network" not in line]
    assert not bare


def test_published_sizes() -> None:
    gc200, edge = load_machine("gc200"), load_machine("edge-128")
    assert (gc200.tiles, gc200.memory, gc200.clock) == (1472, 1472 * 624 * 1024, 1_325_000_000)
    assert (edge.tiles, edge.memory, edge.exchange.network) == (512, 128 << 20, "mesh")
    units = gc200.compute["f32"].matrix
    assert units is not None
    assert 2 * gc200.tiles * units.rate * gc200.clock == pytest.approx(62.5e12, rel=2e-3)


def test_a_file_may_have_any_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(preset_text("gc2").replace("name: gc2", "name: mine"), encoding="utf-8")
    assert load_machine(path).name == load_machine(str(path)).name == "mine"


@pytest.mark.parametrize("machine", [3, None, ["gc200"]])
def test_what_is_no_machine(machine: Any) -> None:
    with pytest.raises(CompileError, match=r"E0501.*a machine is a name, the path of a file, or one that is loaded"):
        load_machine(machine)
    assert load_machine(load_machine("gc2")) == load_machine("gc2")


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("gc201", "E0501", "did you mean `gc200`?"),
        ("nothing-like-it", "E0501", "the presets are bow, edge-128"),
        ("no/such/file.yaml", "E0501", "No such file"),
        (Path(__file__).parent, "E0501", "Is a directory"),
    ],
)
def test_no_such_machine(name: str | Path, code: str, said: str) -> None:
    with pytest.raises(CompileError, match=code) as caught:
        load_machine(name)
    assert said in str(caught.value)


def test_binary_file(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(CompileError, match=r"E0502.*byte 128 is not UTF-8"):
        load_machine(path)


def test_a_file_that_is_too_long(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text("# é\n" * 100_000, encoding="utf-8")
    with pytest.raises(CompileError, match=r"E0502.*longer than"):
        load_machine(path)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (BYTES, "624 KiB", 624 * 1024),
        (BYTES, "0.5MiB", 1 << 19),
        (BYTES, "16 B", 16),
        (CLOCK, "1.325 GHz", 1_325_000_000),
        (COUNT, "1472", 1472),
        (CYCLES, "1 cycle", 1),
    ],
)
def test_quantities(kind: object, text: str, value: int) -> None:
    assert kind.parse(text) == value  # type: ignore[attr-defined]


@given(st.text(alphabet=st.sampled_from("tiles: []{}-?&*!|>'\"%@`#,\n\t \x00ÿ0123456789.KiBf32~=<"), max_size=60))
def test_no_text_gets_past_as_a_traceback(text: str) -> None:
    with pytest.raises(CompileError):
        parse_machine(Source("hostile.yaml", text))


@given(st.data())
def test_no_change_of_a_line_gets_past_as_a_traceback(data: st.DataObject) -> None:
    lines = preset_text("edge-16").splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    lines[at] = data.draw(st.sampled_from(["", "x", "-", lines[at] + ":", " " + lines[at], lines[at].replace(":", "")]))
    try:
        parse_machine(Source("hostile.yaml", "\n".join(lines)))
    except CompileError as error:
        assert all(d.code.startswith("E05") and d.primary for d in error.diagnostics)


PRESET = preset_text("gc200")


@pytest.mark.parametrize(
    ("text", "code", "count"),
    [
        (PRESET + "".join(f"key_{i}: 1\n" for i in range(7_000)), "E0504", 100),
        (PRESET + "name: again\n" * 7_000, "E0503", 100),
        ("".join(f"[{i}]: 1\n" for i in range(7_000)), "E0503", 100),
        ("{" + "a: 1, " * 15_000 + "}", "E0503", 100),
        ("compute:\n" + "".join(f"  c{i}: 1\n" for i in range(8_000)), "E0506", 100),
        ("name: a\n" + "\n" * 99_000 + "b: 1\n", "E0504", 7),
        ('name: "' + "\n" * 99_000 + '"\n', "E0505", 7),
    ],
)
def test_many_faults_are_found_in_time_and_the_first_of_them_shown(text: str, code: str, count: int) -> None:
    """The bound on processor time has room for a busy machine; quadratic work takes minutes."""
    started = time.process_time()
    with pytest.raises(CompileError) as raised:
        parse_machine(Source("machine.yaml", text))
    assert time.process_time() - started < 10
    assert len(raised.value.diagnostics) == count
    assert code in {diagnostic.code for diagnostic in raised.value.diagnostics}
    places = [diagnostic.primary.span.start for diagnostic in raised.value.diagnostics if diagnostic.primary]
    assert places == sorted(places)
