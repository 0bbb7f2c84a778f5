"""Cycles and bytes of kernels on a machine, the costs of every tiling, and the lower bound."""
