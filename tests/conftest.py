"""The golden runner (`golden(path, text)` compares a text with a file, or writes it) and how hypothesis draws."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

Golden = Callable[[Path, str], None]

SLOW = HealthCheck.too_slow  # a busy machine is no fault
# The same examples in every run, so that a change fails for what it changes; the profile `explore` draws new ones.
settings.register_profile("fixed", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[SLOW])
settings.register_profile("explore", deadline=None, print_blob=True, suppress_health_check=[SLOW])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite golden files instead of comparing with them")


def pytest_configure() -> None:
    os.environ.pop("COLUMNS", None)  # pytest-xdist tells its workers 80, and tables would be other ones there


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compares a text with the golden file at a path; both end with one newline."""
    update = bool(request.config.getoption("--update-golden"))
    if update and os.environ.get("CI"):
        pytest.fail("golden files are not rewritten in CI")

    def compare(path: Path, text: str) -> None:
        text = text.rstrip("\n") + "\n"
        if update:
            path.write_text(text, encoding="utf-8")
        assert path.is_file(), f"{path} is missing: run pytest --update-golden, and read what it writes"
        assert text == path.read_text(encoding="utf-8")

    return compare
