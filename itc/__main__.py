"""The first lines of the `itc` command: Ctrl-C ends it quietly from here on, also while the rest is being imported."""

from __future__ import annotations

import os
import signal


def main() -> None:
    """The entry point: exit status 0, 1 for errors in files, 2 for a wrong use of the command line, 130 for Ctrl-C."""
    usual = signal.getsignal(signal.SIGINT)
    if usual is signal.default_int_handler:  # else whoever started us has Ctrl-C ignored
        signal.signal(signal.SIGINT, _leave)
    from itc.cli import main as command  # noqa: PLC0415 -- takes most of a second

    signal.signal(signal.SIGINT, usual)
    command()


def _leave(*_: object) -> None:
    """Ends the process at once: nothing is open yet, and an exception could be swallowed by what is imported."""
    os.write(2, b"interrupted\n")
    os._exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
