"""Documentation comments: lines of `#` directly above a definition, or at the top of a file."""

from __future__ import annotations

from itertools import dropwhile, takewhile

from itc_dsl import ast

MARK = "#"


def documentation(definition: ast.Definition) -> str:
    """The comment directly above a definition and its annotations, without `#`; empty if there is none."""
    source = definition.span.source
    first = min(node.span.start for node in (definition, *definition.annotations))
    return _comment(source.text, source.text.rfind("\n", 0, first) + 1)


def file_documentation(module: ast.Module) -> str:
    """The comment at the top of a file, below the version line, unless it documents a definition."""
    lines = module.source.text.splitlines()
    rest = dropwhile(lambda line: line.startswith("itn ") or not line.strip(), lines)
    text = "\n".join(map(_text, takewhile(lambda line: line.startswith(MARK), rest)))
    return "" if text in map(documentation, module.definitions) else text


def _comment(text: str, end: int) -> str:
    """The comment lines that end at an offset, the start of a line."""
    lines: list[str] = []
    while end > 0:
        start = text.rfind("\n", 0, end - 1) + 1
        line = text[start : end - 1].rstrip("\r")
        if not line.startswith(MARK):
            break
        lines.append(_text(line))
        end = start
    return "\n".join(reversed(lines))


def _text(line: str) -> str:
    return line[len(MARK) :].removeprefix(" ").rstrip()
