"""Runs commands of `itc` in processes that are forked off one which has imported all: `forked.py SPEC`, cases in JSON.

A case is the arguments and how standard output is opened; what is printed is its status and standard error, and of
output that is captured what was written.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from contextlib import suppress

import itc
from itc.cli import main
from itc.driver import explanations


def open_output(how: str) -> int:
    """A descriptor for standard output."""
    match how:
        case "full":
            return os.open("/dev/full", os.O_WRONLY)
        case "read only":
            return os.open(os.devnull, os.O_RDONLY)
        case "closed pipe":
            reading, writing = os.pipe()
            os.close(reading)
            return writing
        case _:
            return os.open(tempfile.mkstemp()[1], os.O_RDWR)


def child(arguments: list[str], standard: tuple[int, int, int]) -> None:
    """Is the command."""
    for number, file in enumerate(standard):
        os.dup2(file, number)
    sys.argv = ["itc", *arguments]
    status = 70
    try:
        main()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 0
    finally:
        if status == 70:
            import traceback

            traceback.print_exc()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def text(file: int) -> str:
    """All that is in a file."""
    os.lseek(file, 0, os.SEEK_SET)
    with os.fdopen(file, "rb") as opened:
        return opened.read().decode(errors="backslashreplace")


def run(arguments: list[str], how: str, given: str) -> dict[str, object]:
    """What a command does."""
    output, error = open_output(how), os.open(tempfile.mkstemp()[1], os.O_RDWR)
    with tempfile.TemporaryFile() as standard_input:
        standard_input.write(given.encode())
        standard_input.seek(0)
        pid = os.fork()
        if not pid:
            child(arguments, (standard_input.fileno(), output, error))
        _, status = os.waitpid(pid, 0)
    return {
        "status": os.waitstatus_to_exitcode(status),
        "error": text(error),
        "output": text(output) if how == "captured" else "",
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with suppress(ImportError):
        import torch  # noqa: F401  which some commands need
    itc.load(sys.argv[1]).compile("edge-16")  # what is read once is read before
    explanations()
    with tempfile.TemporaryDirectory() as tempfile.tempdir:
        print(json.dumps([run(*case) for case in json.load(sys.stdin)]))
