"""Nets as ONNX models: loops stay `Loop` nodes, branches `If` nodes, halting a loop's condition. Needs no torch."""

from itc_onnx.export import export, save

__all__ = ["export", "save"]
