"""Text from outside as a terminal may show it: characters that act on a terminal, or hide, are written as escapes."""

from __future__ import annotations

#: Undecodable bytes of file names and arguments stand in Python's texts as these surrogates.
BYTES = range(0xDC80, 0xDD00)


def visible(text: str) -> str:
    """`text` on one line, with every character that is not printable written as Python's escape, such as `\\x1b`.

    Control characters, line ends, directional marks, invisible characters and surrogates are not printable.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    """`text` with its line ends, and tabs, as they are; all else is as `visible` has it."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\x{ord(char) - 0xDC00:02x}" if ord(char) in BYTES else char.encode("unicode_escape").decode("ascii")
