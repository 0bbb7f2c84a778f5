"""Elaboration: a checked program and settings in, a net of the IR out; each module enters its rules into `scope`."""

from __future__ import annotations

from itc_dsl.lowering import calls, emits, expressions, regions, statements
from itc_dsl.lowering.network import lower
from itc_dsl.lowering.scope import Budget

__all__ = ["Budget", "calls", "emits", "expressions", "lower", "regions", "statements"]
