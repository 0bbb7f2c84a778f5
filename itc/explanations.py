"""Explanations of error codes, read from Markdown files next to the code that reports them.

A file has a section for each code: the title as heading, the meaning, an example with the error, the word `Instead`,
and the fixed example. Code blocks are a spec, its files, Python, or a command; the tests run all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from itc.records import dataclass

SECTION = re.compile(r"^## (E\d{4}): (.*)$", re.MULTILINE)
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {"itn": "spec.itn"}


@dataclass(frozen=True, slots=True)
class Block:
    """A code block; `file` is its name in the example, if it is a file."""

    language: str
    file: str
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code, its title, and the whole text in Markdown."""

    code: str
    title: str
    text: str

    @property
    def wrong(self) -> list[Block]:
        """The example with the error."""
        return _blocks(self.text.partition("\nInstead")[0])

    @property
    def right(self) -> list[Block]:
        """The fixed example."""
        return _blocks(self.text.partition("\nInstead")[2])

    @property
    def plain(self) -> str:
        """The text for a terminal: code blocks are indented, and files named."""
        return FENCE.sub(lambda match: _indented(_block(match)), self.text)


def read(text: str) -> list[Explanation]:
    """The explanations of a Markdown file, in its order."""
    parts = SECTION.split(text)[1:]
    return [Explanation(*part) for part in zip(parts[::3], parts[1::3], map(str.strip, parts[2::3]), strict=True)]


def read_folder(folder: Path) -> list[Explanation]:
    """The explanations of a package: of `explanations.md`, and of the files in its folder `explanations`."""
    files = [folder / "explanations.md", *sorted((folder / "explanations").glob("*.md"))]
    return [found for file in files if file.is_file() for found in read(file.read_text(encoding="utf-8"))]


def normal(code: str) -> str:
    """A code in canonical form, from `e0301`, `301` or `error[E0301]`; other text unchanged."""
    digits = re.fullmatch(r"(?:error)?\[?[eE]?0?(\d{3})\]?:?", code.strip())
    return f"E0{digits[1]}" if digits else code


def near(code: str, known: Iterable[str]) -> list[str]:
    """The known codes most similar to an unknown one, by preference of its family."""
    codes = list(known)
    family = [other for other in codes if other[:3] == code[:3].upper()]
    return get_close_matches(code.upper(), family or codes, 3)


def _blocks(text: str) -> list[Block]:
    return [_block(match) for match in FENCE.finditer(text)]


def _block(match: re.Match[str]) -> Block:
    return Block(match[1], match[2] or FILES.get(match[1], ""), match[3])


def _indented(block: Block) -> str:
    title = f"{block.file}:\n\n" if block.file not in ("", "spec.itn") else ""
    return title + "\n".join(f"    {line}".rstrip() for line in block.text.rstrip("\n").split("\n"))
