"""Python text of a net: expressions, conditions and statements as a person would write them."""

from itc_torch.source.module import module_text

__all__ = ["module_text"]
