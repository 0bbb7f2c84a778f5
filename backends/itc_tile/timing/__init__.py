"""Cycles of a program: transfer latencies, one image alone, and the modulo schedule of a stream."""
