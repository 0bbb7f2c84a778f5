"""Escapes untrusted text for terminals: control and invisible characters become escape sequences."""

from __future__ import annotations

#: The surrogates by which Python represents undecodable bytes of file names and arguments.
BYTES = range(0xDC80, 0xDD00)


def visible(text: str) -> str:
    """`text` on one line, with unprintable characters as Python escapes, such as `\\x1b`.

    Control characters, line ends, directional marks, invisible characters and surrogates are not printable.
    """
    return text if text.isprintable() else "".join(map(_shown, text))


def visible_lines(text: str) -> str:
    """`text` escaped as by `visible`, but with its line ends and tabs."""
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in text.split("\n"))


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    return f"\\x{ord(char) - 0xDC00:02x}" if ord(char) in BYTES else char.encode("unicode_escape").decode("ascii")
