"""The version of itc, from the installed distribution."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("itc-compiler")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+source"
