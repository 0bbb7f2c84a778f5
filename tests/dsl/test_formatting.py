"""`itc fmt` keeps words, meaning and comments, its result is its own, and what comes with itc is in its style."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from random import Random
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from itc.cli import app
from itc.diagnostics import CompileError
from itc.source import Source
from itc_dsl import ast, format_source, parse, read_source
from itc_dsl.parser import lark
from tests.conftest import Golden

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
STD = Path(parse.__code__.co_filename).parent / "std"
WRITTEN = [*sorted(EXAMPLES.glob("*.itn")), *sorted(STD.glob("*.itn"))]


def parses(path: Path) -> bool:
    try:
        parse(read_source(path))
    except CompileError:
        return False
    return True


WRONG = [path for path in sorted((HERE / "errors").glob("*.itn")) if path.stat().st_size < 3000 and parses(path)]
SPECS = [*WRITTEN, *sorted((HERE / "specs").glob("*.itn")), *WRONG]


def formatted(text: str) -> str:
    return format_source(Source("spec.itn", text))


def comments(text: str) -> list[str]:
    """The comments of a text, found without the parser."""
    found = re.findall(r"\"[^\"\n]*\"|'[^'\n]*'|#[^\n]*", text)
    return [piece.rstrip() for piece in found if piece.startswith("#")]


def same(a: Any, b: Any) -> bool:
    """Whether two pieces of syntax trees are equal but for their places."""
    if isinstance(a, ast.Node):
        if type(a) is not type(b):
            return False
        names = [f.name for f in fields(a) if f.name != "span"]
        return all(same(getattr(a, name), getattr(b, name)) for name in names)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    return bool(type(a) is type(b) and a == b)


def tree(text: str) -> ast.Module:
    return parse(Source("spec.itn", text))


class Mess:
    """A spec's words with other white space between them and, if asked for, line breaks, empty lines and comments."""

    def __init__(self, text: str, rng: Random, notes: bool) -> None:
        self.tokens = lark().parse_interactive(text + "\n", start="start").exhaust_lexer()
        self.rng, self.notes = rng, notes
        self.comments: list[str] = []
        self.indents = [""]

    def text(self) -> str:
        return "".join(self.pieces())

    def pieces(self) -> Iterator[str]:
        last, depth = "", 0
        for token in self.tokens:
            match token.type:
                case "_NEWLINE":
                    yield self.between() if last else ""
                    last = ""
                    continue
                case "_INDENT":
                    self.indents.append(self.indents[-1] + " " * self.rng.randint(1, 6))
                    continue
                case "_DEDENT":
                    self.indents.pop()
                    continue
            depth -= token.type in ("RPAR", "RSQB")
            if not last:
                yield self.indents[-1]
            elif self.notes and (depth or token.type == "_PIPE") and self.rng.random() < 0.15:
                yield self.between() + " " * self.rng.randint(0, 9)
            else:
                touch = re.match(r"[\w.\"']{2}", last[-1] + token[0])
                yield " " * (self.rng.randint(0, 2) or (touch is not None))
            yield str(token)
            depth += token.type in ("LPAR", "LSQB")
            last = str(token)

    def between(self) -> str:
        """The end of a line, and lines of which the language sees nothing."""
        if not self.notes:
            return "\n"
        out = self.comment() + "\n"
        for _ in range(self.rng.choice([0, 0, 0, 1, 2])):
            out += " " * self.rng.randint(0, 12) + self.comment() + "\n"
        return out

    def comment(self) -> str:
        if self.rng.random() < 0.6:
            return " " * self.rng.randint(0, 3)
        self.comments.append(f"# note {len(self.comments)}, \"as 'it is")
        return " " * self.rng.randint(0, 3) + self.comments[-1] + " " * self.rng.randint(0, 1)


def check_mess(path: Path, seed: int) -> None:
    text = path.read_text()
    mess = Mess(text, Random(seed), notes=True)
    messy = mess.text()
    assert same(tree(messy), tree(text)), "the mess is meant to keep the meaning"
    found = formatted(messy)
    assert same(tree(found), tree(text))
    assert comments(found) == mess.comments
    assert formatted(found) == found
    assert not re.search(r"[ \t]\n|\n\n\n|\n\n\Z|\A\n", found)


def check_white_space(path: Path, seed: int) -> None:
    text = path.read_text()
    one, other = (formatted(Mess(text, Random(seed + k), notes=False).text()) for k in range(2))
    assert one == other


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_words_meaning_and_comments_stay(path: Path) -> None:
    for seed in range(2):
        check_mess(path, seed)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_white_space_does_not_matter(path: Path) -> None:
    check_white_space(path, 7)


@pytest.mark.long
@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_many_messes(path: Path) -> None:
    for seed in range(2, 14):
        check_mess(path, seed)
        check_white_space(path, 2 * seed)


def test_golden(golden: Golden) -> None:
    golden(HERE / "formatting" / "messy.out", formatted((HERE / "formatting" / "messy.itn").read_text()))


def invoke(*arguments: str, input: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, ["fmt", *arguments], input=input, catch_exceptions=False)


def test_what_comes_with_itc_is_in_the_style() -> None:
    result = invoke("--check", str(EXAMPLES), str(STD))
    assert (result.exit_code, result.output) == (0, "")
    code = [line.partition("#")[0] for path in WRITTEN for line in path.read_text().splitlines()]
    assert not [line for line in code if len(line) > 120]


@pytest.mark.parametrize("text", ["f(" + "x, " * 2_000 + ")", "f(x)" + " |> g(x)" * 2_000, "f(" * 40 + "x" + ")" * 40])
def test_the_result_stays_bounded(text: str) -> None:
    """A long name in front would indent every line that is aligned behind it."""
    spec = f"block f(x):\n    {'y' * 255} = {text}\n    return x\n"
    assert len(formatted(spec)) < 2 * len(spec)


UGLY, NICE = "block f( x ):\n  return x # same\n", "block f(x):\n    return x  # same\n"


def test_files_are_rewritten_in_place(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    ugly, nice = tmp_path / "below" / "ugly.itn", tmp_path / "nice.itn"
    ugly.write_text(UGLY)
    ugly.chmod(0o600)
    nice.write_text(NICE)
    (tmp_path / "link.itn").symlink_to(ugly)
    before = nice.stat().st_mtime_ns
    result = invoke("--check", str(tmp_path))
    assert result.exit_code == 1
    assert result.output == f"would reformat {ugly}\nwould reformat {tmp_path / 'link.itn'}\n"
    assert ugly.read_text() == UGLY
    assert invoke(str(tmp_path / "link.itn")).output == f"reformatted {tmp_path / 'link.itn'}\n"
    assert ugly.read_text() == NICE
    assert (tmp_path / "link.itn").is_symlink()
    assert ugly.stat().st_mode & 0o777 == 0o600
    assert (invoke(str(tmp_path)).output, nice.stat().st_mtime_ns) == ("", before)


def test_the_difference_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "ugly.itn"
    path.write_text(UGLY)
    result = invoke("--diff", str(path))
    assert result.exit_code == 1
    assert [line[0] for line in result.output.splitlines()] == ["-", "+", "@", "-", "-", "+", "+"]
    assert path.read_text() == UGLY


def test_standard_input() -> None:
    assert invoke("-", input=UGLY).output == NICE
    assert invoke("-", "--check", input=UGLY).output == "would reformat -\n"
    assert invoke("-", input=UGLY.replace("\n", "\r\n")).output == NICE
    assert "error[E0602]" in invoke("-", input=b"\xff").output


def test_a_file_with_errors_stays_and_the_others_are_formatted(tmp_path: Path) -> None:
    (tmp_path / "a.itn").write_text("block f(x:\n    return x\n")
    (tmp_path / "b.itn").write_text(UGLY)
    result = invoke(str(tmp_path), str(tmp_path / "c.itn"))
    assert result.exit_code == 1
    assert "error[E0101]" in result.output or "error[E0102]" in result.output
    assert "error[E0601]" in result.output
    assert (tmp_path / "a.itn").read_text() == "block f(x:\n    return x\n"
    assert (tmp_path / "b.itn").read_text() == NICE
