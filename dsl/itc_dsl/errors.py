"""The error codes of the language with their titles, which are the headings of its explanations."""

from __future__ import annotations

from pathlib import Path

from itc.explanations import read_folder

CODES = {explanation.code: explanation.title for explanation in read_folder(Path(__file__).parent)}
