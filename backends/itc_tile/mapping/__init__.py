"""Mappings: a kernel graph and a machine go in, a program comes out."""
