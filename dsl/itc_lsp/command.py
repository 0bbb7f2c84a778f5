"""`itc lsp`: the language server, for an editor that starts it. Nothing here imports pygls before it runs."""

from __future__ import annotations

from itc.cli.errors import reporting
from itc.diagnostics import fail


def lsp() -> None:
    """Run the language server on standard input and output, for an editor."""
    with reporting():
        try:
            from itc_lsp.server import server
        except ImportError as error:
            help = "pip install 'itc-compiler[lsp]'"
            raise fail("E0521", f"`itc lsp` needs pygls, which cannot be imported: {error}", help=help) from None
        server().start_io()
