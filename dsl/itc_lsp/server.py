"""The protocol: requests of an editor go to the features, one analysis for each version of a text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer

from itc.diagnostics import Diagnostic, Label
from itc.source import Span
from itc_dsl.program import STD
from itc_lsp.analysis import Analysis, analyse
from itc_lsp.completion import complete
from itc_lsp.edits import Refused, formatted, renamable, renamed
from itc_lsp.hover import hints, hover
from itc_lsp.positions import offset, range_of
from itc_lsp.symbols import references, symbol_at

#: The protocol's code of a request that was understood and cannot be carried out.
REQUEST_FAILED = -32803

#: Seconds without a change after which all networks are elaborated.
PAUSE = 0.3


class SpecServer(LanguageServer):
    """A server with the analyses of the open texts: of their current versions, and of the last that were parsed."""

    def __init__(self) -> None:
        super().__init__("itc", _version())
        self.current: dict[str, Analysis] = {}
        self.parsed: dict[str, Analysis] = {}
        self.partial: set[str] = set()  # texts of which only the first network was elaborated

    def analysis(self, uri: str, networks: int | None = None) -> Analysis:
        """The analysis of the current version of a text: of all its networks, or at least the first `networks`."""
        text = self.workspace.get_text_document(uri).source
        known = self.current.get(uri)
        if known is None or known.source.text != text or (networks is None and uri in self.partial):
            known = self.current[uri] = analyse(text, path_of(uri), networks)
            self.partial -= {uri}
            self.partial |= {uri} if networks is not None else set()
            if known.tree is not None:
                self.parsed[uri] = known
        return known

    async def changed(self, uri: str) -> None:
        """Sends the diagnostics up to the first network at once, those of all when the typist pauses."""
        self.publish(uri, 1)
        text = self.workspace.get_text_document(uri).source
        await asyncio.sleep(PAUSE)
        if uri in self.current and self.workspace.get_text_document(uri).source == text:
            self.publish(uri)

    def publish(self, uri: str, networks: int | None = None) -> None:
        """Sends the diagnostics of a text."""
        analysis = self.analysis(uri, networks)
        found = [diagnostic(each, analysis, uri) for each in analysis.diagnostics]
        number = self.workspace.get_text_document(uri).version
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, found, number))


def _version() -> str:
    try:
        return version("itc-compiler")
    except PackageNotFoundError:
        return "0"


def path_of(uri: str) -> Path:
    """The path of a file's URI; an unsaved text stands in the current folder."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path("untitled.itn")


def diagnostic(found: Diagnostic, analysis: Analysis, uri: str) -> types.Diagnostic:
    """A diagnostic of the compiler; what is wrong in another file is shown where this one leads there."""
    labels = [label for label in (found.primary, *found.secondary) if label is not None]
    own = [label for label in labels if label.span.source.text == analysis.source.text]
    start = types.Position(0, 0)
    shown = range_of(own[0].span) if own else types.Range(start, start)
    text = f"{found.message}\nhelp: {found.help}" if found.help else found.message
    related = [_related(label, uri) for label in own[1:]]
    return types.Diagnostic(
        shown, text, types.DiagnosticSeverity.Error, code=found.code, source="itc", related_information=related
    )


def _related(label: Label, uri: str) -> types.DiagnosticRelatedInformation:
    return types.DiagnosticRelatedInformation(types.Location(uri, range_of(label.span)), label.text or "here")


def server() -> SpecServer:
    """A new server; `start_io` runs it."""
    spec_server = SpecServer()
    _texts(spec_server)
    _questions(spec_server)
    _changes(spec_server)
    return spec_server


def _texts(ls: SpecServer) -> None:
    """Texts that are opened, changed and closed."""

    @ls.feature(types.TEXT_DOCUMENT_DID_OPEN)
    async def opened(params: types.DidOpenTextDocumentParams) -> None:
        await ls.changed(params.text_document.uri)

    @ls.feature(types.TEXT_DOCUMENT_DID_CHANGE)
    async def changed(params: types.DidChangeTextDocumentParams) -> None:
        await ls.changed(params.text_document.uri)

    @ls.feature(types.TEXT_DOCUMENT_DID_CLOSE)
    def closed(params: types.DidCloseTextDocumentParams) -> None:
        for kept in (ls.current, ls.parsed):
            kept.pop(params.text_document.uri, None)


def _questions(ls: SpecServer) -> None:
    """What stands under the cursor."""

    @ls.feature(types.TEXT_DOCUMENT_HOVER)
    def on_hover(params: types.HoverParams) -> types.Hover | None:
        return hover(ls.analysis(params.text_document.uri), params.position)

    @ls.feature(types.TEXT_DOCUMENT_DEFINITION)
    def on_definition(params: types.DefinitionParams) -> list[types.Location]:
        analysis = ls.analysis(params.text_document.uri)
        symbol = symbol_at(analysis, offset(analysis.source, params.position))
        return [_location(span, analysis, params.text_document.uri) for span in symbol.declared[:1]] if symbol else []

    @ls.feature(types.TEXT_DOCUMENT_REFERENCES)
    def on_references(params: types.ReferenceParams) -> list[types.Location]:
        analysis, uri = ls.analysis(params.text_document.uri), params.text_document.uri
        symbol = symbol_at(analysis, offset(analysis.source, params.position))
        return [_location(span, analysis, uri) for span in references(analysis, symbol)] if symbol else []

    @ls.feature(types.TEXT_DOCUMENT_COMPLETION)
    def on_completion(params: types.CompletionParams) -> list[types.CompletionItem]:
        uri = params.text_document.uri
        analysis = ls.analysis(uri)
        return complete(analysis, ls.parsed.get(uri, analysis), params.position)

    @ls.feature(types.TEXT_DOCUMENT_INLAY_HINT)
    def on_hints(params: types.InlayHintParams) -> list[types.InlayHint]:
        return hints(ls.analysis(params.text_document.uri), params.range)


def _location(span: Span, analysis: Analysis, uri: str) -> types.Location:
    """Where a span is: in the text itself, or in a file that it imports."""
    if span.source is analysis.source:
        return types.Location(uri, range_of(span))
    return types.Location(_file(span.source.name), range_of(span))


def _file(name: str) -> str:
    """The URI of an imported file."""
    path = STD / name.removeprefix("std/") if name.startswith("std/") else Path(name)
    return path.resolve().as_uri()


@contextmanager
def _answered() -> Iterator[None]:
    """A refusal is the answer to a request, with its reason."""
    try:
        yield
    except Refused as error:
        raise JsonRpcException(str(error), REQUEST_FAILED) from None


def _changes(ls: SpecServer) -> None:
    """Formatting and renaming."""

    @ls.feature(types.TEXT_DOCUMENT_FORMATTING)
    def on_formatting(params: types.DocumentFormattingParams) -> list[types.TextEdit]:
        return formatted(ls.analysis(params.text_document.uri))

    @ls.feature(types.TEXT_DOCUMENT_PREPARE_RENAME)
    def on_prepare(params: types.PrepareRenameParams) -> types.Range:
        with _answered():
            return renamable(ls.analysis(params.text_document.uri), params.position)

    @ls.feature(types.TEXT_DOCUMENT_RENAME, types.RenameOptions(prepare_provider=True))
    def on_rename(params: types.RenameParams) -> types.WorkspaceEdit:
        uri = params.text_document.uri
        with _answered():
            return types.WorkspaceEdit({uri: renamed(ls.analysis(uri), params.position, params.new_name)})
