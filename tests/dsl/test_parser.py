"""Text to syntax tree: what the grammar takes, the tree's text form, and the bounds on what is read."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from itc.diagnostics import CompileError
from itc.source import Source
from itc_dsl import ast, load_net, parse, print_ast, read_source
from tests.conftest import Golden
from tests.fuzz import bounds

HERE = Path(__file__).parent
SPEC = HERE.parent.parent / "examples" / "itnet.itn"


def tree(text: str) -> str:
    """The text form of a block's body whose statements are `text`."""
    module = parse(Source("spec.itn", "block f(x):\n    " + text.replace("\n", "\n    ") + "\n"))
    return print_ast(module)


def code_of(text: str) -> str:
    with pytest.raises(CompileError) as raised:
        parse(Source("spec.itn", text))
    return raised.value.diagnostics[0].code


def test_golden_trees(golden: Golden) -> None:
    golden(HERE / "golden" / "itnet.ast", print_ast(parse(read_source(SPEC))))
    for path in sorted((HERE / "specs").glob("*.itn")):
        golden(path.with_suffix(".ast"), print_ast(parse(read_source(path))))


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("return a or b and not c == d", "return a or (b and (not (c == d)))"),
        ("return -a ** -b * c + d", "return ((-(a ** (-b))) * c) + d"),
        ("return a - b - c", "return (a - b) - c"),
        ("return a // b % c", "return (a // b) % c"),
        ("return a if b else c if d else e", "return a if b else (c if d else e)"),
        ("return x |> f |> g(1)", "return x |> f() |> g(1,)"),
        ("return x\n    |> f\n\n  # a comment\n  |> g", "return x |> f |> g"),
        ("return f(\n  x,  # a comment\n\n  y=3)", "return f(x, y=3)"),
        ("a, (b, c) = [1, (2, 3)]", "(a, [b, c]) = (1, [2, 3])"),
        (
            "if a:\n    b = 1\nelif c:\n    b = 2\nelse:\n    b = 3",
            "if a:\n  b = 1\nelse:\n  if c:\n    b = 2\n  else:\n    b = 3",
        ),
        ("return f(y for y in x)", "return f([y for y in x])"),
        ("return x[1:][:2][a:b]", "return ((x[1:])[:2])[a:b]"),
        ("data = network\nblock = data + output + at", "data=network\nblock=(data+output)+at"),
    ],
)
def test_what_means_the_same(written: str, same: str) -> None:
    assert tree(written) == tree(same)


def test_a_comparison_is_a_chain() -> None:
    assert tree("return a < b <= c") != tree("return (a < b) <= c")


def test_line_ends_and_comments_do_not_matter() -> None:
    text = SPEC.read_text()
    plain = print_ast(parse(Source("a", text)))
    assert print_ast(parse(Source("a", text.replace("\n", "\r\n")))) == plain
    assert print_ast(parse(Source("a", "\n\n  # first\n" + text.rstrip("\n") + "  # the end"))) == plain
    assert print_ast(parse(Source("a", "itn 1\n" + text))) == plain
    tabs = re.sub("^ +", lambda spaces: "\t" * -(-len(spaces[0]) // 4), text, flags=re.MULTILINE)
    assert print_ast(parse(Source("a", tabs))) == plain


def test_spans_cover_what_was_written() -> None:
    module = parse(Source("spec.itn", "block f(x):\n    y = (x + f(x, k=[1, 2])[0]) |> g(3)  # z\n    return y\n"))
    texts = {type(node).__name__: node.span.text for node in ast.walk(module)}
    assert texts["Pipe"] == "(x + f(x, k=[1, 2])[0]) |> g(3)"
    assert texts["Binary"] == "x + f(x, k=[1, 2])[0]"
    assert texts["Index"] == "f(x, k=[1, 2])[0]"
    assert texts["Assign"] == "y = (x + f(x, k=[1, 2])[0]) |> g(3)"
    assert texts["Return"] == "return y"


def test_all_errors_that_can_be_told_apart_are_reported() -> None:
    text = "block a(x):\n    return x x\n\nblock b(x)\n    return x\n\nnetwork c:\n    emit y = (3\n"
    with pytest.raises(CompileError) as raised:
        parse(Source("spec.itn", text))
    assert [d.code for d in raised.value.diagnostics] == ["E0101", "E0101", "E0102"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("x" * 2_000_001, "E0108"),
        (f"block f({'x' * 256}):\n    return 1", "E0113"),
        (f"block f(x):\n    {'y' * 256} = x\n    return x", "E0113"),
        (f"block f(x):\n    return {'y' * 256}(x)", "E0113"),
        ("block f(x):\n    return " + "(" * 100_000, "E0107"),
        ("block f(x):\n    return " + "[" * 51 + "x" + "]" * 51, "E0107"),
        ("block f(x):\n    return " + "-" * 1000 + "x", "E0107"),
        ("block f(x):\n    return " + " + ".join(["x"] * 1000), "E0107"),
        ("block f(x):\n" + "".join("    " * i + "if x:\n" for i in range(1, 60)) + "    " * 60 + "y = x\n", "E0107"),
        ("block f(x):\n    return x\ry = 3", "E0105"),
        ("block f(x):\n    return 'a\x07b'", "E0105"),
        ("block f(x):\n    return x  # \u202e.x", "E0105"),
        ("block f(x):\n    return 'a\udcffb'", "E0105"),
        ("block f(x):\n    return 1" + "0" * 5000, "E0101"),
        ("block f(x):\n    return 1e999", "E0101"),
        ("itn 3\nblock f(x):\n    return x", "E0109"),
        ("block f(x):\n    f(x) = 3", "E0111"),
    ],
)
def test_bounds(text: str, code: str) -> None:
    assert code_of(text) == code


def test_files(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="E0601"):
        read_source(tmp_path / "missing.itn")
    with pytest.raises(CompileError, match="E0603"):
        read_source(tmp_path)
    (tmp_path / "long.itn").write_bytes(b"#" * 9_000_000)
    with pytest.raises(CompileError, match="E0108"):
        read_source(tmp_path / "long.itn")
    (tmp_path / "marked.itn").write_bytes(b"\xef\xbb\xbf" + SPEC.read_bytes())
    assert load_net(read_source(tmp_path / "marked.itn")).name == "itnet"


def seconds(text: str) -> float:
    """Processor time of parsing, the best of three."""

    def once() -> float:
        start = time.process_time()
        parse(Source("spec.itn", text))
        return time.process_time() - start

    return min(once() for _ in range(3))


def test_time_goes_with_the_length() -> None:
    """Four times the lines take about four times as long; a quadratic parser would take sixteen times."""
    block = (
        "block b{}(x, f=3):\n    y = x |> conv(f - 3, 3, stride=2)\n    if f > 1:\n        y = x + y\n    return y\n\n"
    )
    short, long = ("".join(block.format(i) for i in range(count)) for count in (100, 400))
    assert seconds(long) < 9 * seconds(short)


def test_itnet_takes_a_fraction_of_half_a_second() -> None:
    source = read_source(SPEC)
    load_net(source)
    start = time.process_time()
    load_net(source)
    assert time.process_time() - start < 0.5


def test_blank_lines_take_no_memory() -> None:
    with bounds.at_most(64 << 20, beside=bounds.address_space()), pytest.raises(CompileError, match="E0106"):
        parse(Source("blank.itn", "\n" * 1_000_000))
