"""Layers as bulk-synchronous supersteps: plans and costs, as poplibs makes them."""
