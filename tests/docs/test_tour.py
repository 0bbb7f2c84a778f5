"""Interactive sessions in the documents print what stands below them; a page is one session."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FENCE = re.compile(r"^```pycon\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [path for path in sorted(DOCS.glob("*.md")) if FENCE.search(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_sessions(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = page.read_text(encoding="utf-8")
    session = "\n".join(match[1] for match in FENCE.finditer(text))
    test = doctest.DocTestParser().get_doctest(session, {}, page.name, str(page), 0)
    assert len(test.examples) >= 5
    monkeypatch.chdir(tmp_path)
    written: list[str] = []
    doctest.DocTestRunner(verbose=False).run(test, out=written.append)
    assert not written, "".join(written)


def test_the_tour_is_a_page() -> None:
    assert "architecture" in {page.stem for page in PAGES}
