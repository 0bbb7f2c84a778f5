"""Temporal mapping: one kernel at a time on all tiles, in supersteps of exchange and compute."""
