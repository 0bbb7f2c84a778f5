"""Elaboration of a checked program under settings into a net of the IR; each module registers its rules in `scope`."""

from __future__ import annotations

from itc_dsl.lowering import arithmetic, branches, calls, emits, expressions, statements
from itc_dsl.lowering.network import lower
from itc_dsl.lowering.scope import Budget, Trace

__all__ = ["Budget", "Trace", "arithmetic", "branches", "calls", "emits", "expressions", "lower", "statements"]
