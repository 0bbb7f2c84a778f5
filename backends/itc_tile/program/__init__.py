"""The program of a tile machine: placed kernels, transfers and rolled steps, and its text."""
