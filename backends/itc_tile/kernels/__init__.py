"""From a net to its kernel graph: fusion, copy insertion, kernel instances and their reaching definitions."""
