"""The language server as an editor sees it: a process that speaks the protocol."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

ITNET = Path(__file__).parents[2] / "examples" / "itnet.itn"
LONGEST_WAIT = 60  # seconds, on a machine that is busy with other things


class Editor(LanguageClient):
    """A client with one open text, which collects the diagnostics of its versions."""

    def __init__(self, path: Path) -> None:
        super().__init__("tests", "1")
        self.uri, self.text, self.version = path.as_uri(), path.read_text(), 1
        self.document = types.TextDocumentIdentifier(self.uri)
        self.published: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()

        @self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
        def received(params: types.PublishDiagnosticsParams) -> None:
            self.published.put_nowait(params)

    def type(self, text: str) -> None:
        """Replaces the whole text."""
        self.text, self.version = text, self.version + 1
        document = types.VersionedTextDocumentIdentifier(self.version, self.uri)
        whole = types.TextDocumentContentChangeWholeDocument(text)
        self.text_document_did_change(types.DidChangeTextDocumentParams(document, [whole]))

    async def diagnostics(self) -> list[types.Diagnostic]:
        """The first diagnostics of the current version."""
        while True:
            found = await asyncio.wait_for(self.published.get(), LONGEST_WAIT)
            if found.version == self.version:
                return list(found.diagnostics)

    def at(self, words: str, skip: int = 0) -> types.Position:
        """The position of some words in the text, `skip` characters further on."""
        before = self.text[: self.text.index(words) + skip]
        return types.Position(before.count("\n"), len(before) - before.rfind("\n") - 1)


@asynccontextmanager
async def editing(path: Path) -> AsyncIterator[Editor]:
    """An editor with a text that the server has just opened."""
    editor = Editor(path)
    await editor.start_io(sys.executable, "-m", "itc", "lsp")
    await editor.initialize_async(types.InitializeParams(types.ClientCapabilities(), process_id=None, root_uri=None))
    editor.initialized(types.InitializedParams())
    item = types.TextDocumentItem(editor.uri, "itn", 1, editor.text)
    editor.text_document_did_open(types.DidOpenTextDocumentParams(item))
    yield editor
    await editor.shutdown_async(None)
    editor.exit(None)
    await editor.stop()


def edit(path: Path, script: Callable[[Editor], Awaitable[Any]]) -> None:
    """Runs a script in an editor."""

    async def run() -> None:
        async with editing(path) as editor:
            await script(editor)

    asyncio.run(run())


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "itnet.itn").write_text(ITNET.read_text())
    return tmp_path / "itnet.itn"


def test_diagnostics_follow_the_text(spec: Path) -> None:
    async def script(editor: Editor) -> None:
        good = editor.text
        assert await editor.diagnostics() == []
        editor.type(good.replace("|> refine(", "|> refin("))
        found, *_ = await editor.diagnostics()
        assert (found.code, found.source) == ("E0201", "itc")
        assert found.range.start == editor.at("refin(iterations")
        assert "did you mean `refine`" in found.message
        editor.type(good)
        assert await editor.diagnostics() == []
        editor.type(good.replace("scales=3", "scales=(", 1))
        assert [each.code for each in await editor.diagnostics()] == ["E0101"]

    edit(spec, script)


def test_questions(spec: Path) -> None:
    async def script(editor: Editor) -> None:
        document = editor.document
        hover = await editor.text_document_hover_async(types.HoverParams(document, editor.at("conv(classes")))
        assert hover is not None
        assert "f32[11, 90, 120]" in hover.contents.value
        assert "2,288 parameters" in hover.contents.value
        at = editor.at("refine(iterations", 3)
        (place,) = await editor.text_document_definition_async(types.DefinitionParams(document, at))
        assert place.range.start == editor.at("iterative refine(", len("iterative "))
        (std,) = await editor.text_document_definition_async(
            types.DefinitionParams(document, editor.at("inverted_residual(x"))
        )
        assert std.uri.endswith("std/inverted_residual.itn")
        listed = await editor.text_document_completion_async(
            types.CompletionParams(document, editor.at("|> refine", 3))
        )
        assert {"refine", "conv", "pyramid", "state", "scales"} <= {item.label for item in listed}
        lines = types.Range(types.Position(0, 0), types.Position(200, 0))
        shapes = await editor.text_document_inlay_hint_async(types.InlayHintParams(document, lines))
        assert any("f32[51, 180, 240]" in str(hint.label) for hint in shapes)

    edit(spec, script)


def test_changes(spec: Path) -> None:
    async def script(editor: Editor) -> None:
        document, at = editor.document, editor.at("iterations=16")
        change = await editor.text_document_rename_async(types.RenameParams(document, at, "rounds"))
        (edits,) = change.changes.values()
        assert [edit.range.start.line for edit in edits] == [45, 48, 60]  # of a variant too
        for taken in ("scales", "2x", "for"):
            with pytest.raises(JsonRpcException):
                await editor.text_document_rename_async(types.RenameParams(document, at, taken))
        with pytest.raises(JsonRpcException, match="std/inverted_residual"):
            await editor.text_document_prepare_rename_async(
                types.PrepareRenameParams(document, editor.at("inverted_residual(x"))
            )
        options = types.FormattingOptions(4, True)
        assert not await editor.text_document_formatting_async(types.DocumentFormattingParams(document, options))
        good = editor.text
        editor.type(good.replace("f=51, iterations=16", "f  =  51,iterations=16"))
        (edit_,) = await editor.text_document_formatting_async(types.DocumentFormattingParams(document, options))
        assert edit_.new_text == good

    edit(spec, script)
