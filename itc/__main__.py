"""Entry point of the `itc` command: handles Ctrl-C before and during the import of the rest."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """The entry point: exit status 0, 1 for errors in files, 2 for a usage error, 130 for Ctrl-C."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # otherwise the parent process ignores Ctrl-C
        signal.signal(signal.SIGINT, _leave)
    from itc.cli import main as command  # noqa: PLC0415 -- takes most of a second

    signal.signal(signal.SIGINT, usual)
    command()


def _leave(*_: object) -> None:
    """Ends the process at once: nothing is open yet, and imported modules could swallow an exception."""
    os.write(2, b"interrupted\n")
    os._exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
