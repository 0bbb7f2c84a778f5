"""Program files: the exact text of a program behind a version and a checksum, written whole or not at all."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from itc.diagnostics import fail
from itc.files import opened, write_text
from itc_tile.program.parse import MOST_CHARACTERS, parse_program
from itc_tile.program.program import Program
from itc_tile.program.text import VERSION, print_program

MAGIC = "itc-program"


def save_program(path: str | Path, program: Program) -> None:
    """Writes a program file. Raises CompileError where the file cannot be written."""
    text = print_program(program)
    write_text(Path(path), f"{MAGIC} {VERSION} {_checksum(text)}\n{text}")


def load_program(path: str | Path) -> Program:
    """The program of a file, verified.

    Raises CompileError: E0551 no program file or another version, E0552 a file that was cut or edited, E0550 and E0540
    to E0549 for a program that is wrong in itself, E0604 a pipe or a device.
    """
    head, text = _content(Path(path))
    words = head.split(" ")
    if len(words) != 3 or words[0] != MAGIC:
        raise fail("E0551", f"{path} is no program file: it does not begin with `{MAGIC}`")
    if words[1] != str(VERSION):
        raise fail("E0551", f"{path} has version {words[1]:.20}, this itc reads {VERSION}", help="compile it again")
    if words[2] != _checksum(text):
        raise fail("E0552", f"{path} was cut or edited: its checksum is another one", help="compile it again")
    return parse_program(text, str(path))


def _content(path: Path) -> tuple[str, str]:
    try:
        with opened(path) as file:
            data = file.read(MOST_CHARACTERS + 1)
        head, _, text = data.decode("utf-8").partition("\n")
    except OSError as error:
        raise fail("E0551", f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise fail("E0551", f"{path} is no program file: it is not text") from None
    return head, text


def _checksum(text: str) -> str:
    return sha256(text.encode("utf-8")).hexdigest()
