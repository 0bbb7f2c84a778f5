"""Formats specs: only white space changes, tokens and comments stay."""

from itc_dsl.formatting.formatter import format_source

__all__ = ["format_source"]
