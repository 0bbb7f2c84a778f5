"""The language server of specs: diagnostics, hover, definitions, completion, rename, formatting and shapes as hints."""

from itc_lsp.analysis import Analysis, analyse

__all__ = ["Analysis", "analyse"]
