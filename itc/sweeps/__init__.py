"""Sweeps: costs of a network over a grid of settings, filtered by a condition and ranked by an objective."""

from itc.sweeps.axes import parse_axes
from itc.sweeps.plot import plot
from itc.sweeps.points import FIGURES, Point, Request, Sweep, cores, request, setting_text, sweep

__all__ = [
    "FIGURES", "Point", "Request", "Sweep", "cores", "parse_axes", "plot", "request", "setting_text", "sweep",
]  # fmt: skip
