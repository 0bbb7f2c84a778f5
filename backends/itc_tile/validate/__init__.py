"""Predicted against expected cycles and memory."""
