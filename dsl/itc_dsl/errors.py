"""Every code that the language reports, with what it is about in a line: the headings of its explanations."""

from __future__ import annotations

from pathlib import Path

from itc.explanations import read_folder

CODES = {explanation.code: explanation.title for explanation in read_folder(Path(__file__).parent)}
