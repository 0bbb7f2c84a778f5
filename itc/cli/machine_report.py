"""Tables of what a machine makes of a network."""

from typing import Any
from rich.table import Table


def fit_table(report: dict[str, Any]) -> Table: ...
def timing_table(report: dict[str, Any], agreement: dict[str, float], against: str) -> Table: ...
