"""Sweeps: a network at many settings, which of them meet a condition, and which is best."""

from itc.sweeps.axes import parse_axes
from itc.sweeps.plot import plot
from itc.sweeps.points import FIGURES, Point, Request, Sweep, cores, request, setting_text, sweep

__all__ = [
    "FIGURES", "Point", "Request", "Sweep", "cores", "parse_axes", "plot", "request", "setting_text", "sweep",
]  # fmt: skip
