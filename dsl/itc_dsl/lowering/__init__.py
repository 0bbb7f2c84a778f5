"""Elaboration: a checked program and settings in, a net of the IR out; each module enters its rules into `scope`."""

from __future__ import annotations

from itc_dsl.lowering import calls, emits, expressions, regions, statements
from itc_dsl.lowering.network import lower

__all__ = ["calls", "emits", "expressions", "lower", "regions", "statements"]
