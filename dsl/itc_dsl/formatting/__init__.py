"""A spec's text in, the same spec in the one style out: the words and the comments stay, the white space is ours."""

from itc_dsl.formatting.formatter import format_source

__all__ = ["format_source"]
