"""Spatial mapping: every kernel owns its tiles, and images are pipelined through the machine."""
