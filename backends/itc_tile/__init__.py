"""The tile backend."""
