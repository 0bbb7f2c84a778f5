"""The report of a program, and the diagnostics of what does not fit."""
