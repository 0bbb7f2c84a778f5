"""A YAML text as plain values (mappings, lists, texts) with the span of every key and value; else diagnostics.

Scalars stay text: what they mean is for the reader of the document. Aliases, anchors and tags are refused, nesting and
size are bounded before anything is built, so that no text costs more than its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from itc.diagnostics import CompileError, Diagnostic, Edit, Label
from itc.source import Source, Span

Path = tuple[str | int, ...]
Plain = dict[str, "Plain"] | list["Plain"] | str
MOST_CHARACTERS = 100_000
MOST_DEPTH = 16
#: What `"\\ud800"` in a text of YAML gives, which nothing can encode.
SURROGATE = re.compile("[\ud800-\udfff]")
#: Beyond these, faults of one kind are not reported.
MOST_FAULTS = 100


@dataclass
class Document:
    """`value` is the content; `values` and `keys` are the spans of what stands at a path."""

    source: Source
    value: Plain = ""
    values: dict[Path, Span] = field(default_factory=dict)
    keys: dict[Path, Span] = field(default_factory=dict)
    faults: list[Diagnostic] = field(default_factory=list)


def read_document(source: Source) -> Document:
    """The document in `source`. Raises CompileError: E0502 where it is no plain YAML, E0503 where it is no mapping."""
    if len(source.text) > MOST_CHARACTERS:
        raise _fault("E0502", f"{source.name} is longer than {MOST_CHARACTERS} characters", source.span(0, 1))
    try:
        _check_events(source)
        root = yaml.compose(source.text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise _syntax(source, error) from None
    if not isinstance(root, MappingNode):
        raise _not_a_mapping(source, root)
    document = Document(source)
    document.value = _plain(root, (), document)
    if document.faults:
        raise CompileError(document.faults)
    return document


def _fault(
    code: str, message: str, span: Span, note: str = "", help: str = "", edit: Edit | None = None
) -> CompileError:
    return CompileError([Diagnostic(code, message, Label(span, note), help=help, edit=edit)])


def _check_events(source: Source) -> None:
    """Refuses depth, anchors, aliases and tags while reading the text as a flat stream, which needs no recursion."""
    depth = 0
    for event in yaml.parse(source.text, Loader=yaml.SafeLoader):
        assert event.start_mark and event.end_mark
        span = source.span(event.start_mark.index, max(event.end_mark.index, event.start_mark.index + 1))
        opens = isinstance(event, yaml.CollectionStartEvent)
        depth += opens - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise _fault("E0502", f"nested more than {MOST_DEPTH} deep", source.span(span.start, span.start + 1))
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            help = "write the values out where they are needed"
            raise _fault("E0502", "a machine file has no anchors and aliases", span, help=help)
        if tag := getattr(event, "tag", None):
            raise _fault("E0502", f"a machine file has no tags such as {tag[:40]}", span, help="drop the tag")
        if isinstance(event, yaml.ScalarEvent) and SURROGATE.search(event.value):
            raise _fault("E0502", "half of a surrogate pair is no text", span, help="write the character itself")


def _syntax(source: Source, error: yaml.YAMLError) -> CompileError:
    """The parser's complaint at its place."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    at = mark.index if mark else getattr(error, "position", 0)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "not YAML"
    context = getattr(error, "context", None)
    at = max(0, min(at, len(source.text) - 1))
    help = "indent with spaces" if "'\\t'" in problem else ""
    return _fault("E0502", f"not YAML: {problem}", source.span(at, at + 1), context or "", help)


def _not_a_mapping(source: Source, root: Node | None) -> CompileError:
    help = "start from a preset: `itc machines gc200` prints one"
    if root is None:
        return _fault("E0503", f"{source.name} is empty", source.span(0, 0), help=help)
    what = "a list" if isinstance(root, SequenceNode) else "a text"
    first_line = source.text.find("\n", root.start_mark.index)
    end = first_line if first_line >= 0 else len(source.text)
    return _fault(
        "E0503",
        f"a machine is a mapping of keys to values, not {what}",
        source.span(root.start_mark.index, end),
        help=help,
    )


def _plain(node: Node, path: Path, document: Document) -> Plain:
    document.values[path] = _span(document.source, node)
    if isinstance(node, ScalarNode):
        return str(node.value)
    if isinstance(node, SequenceNode):
        return [_plain(child, (*path, i), document) for i, child in enumerate(node.value)]
    assert isinstance(node, MappingNode)
    return dict(_entries(node, path, document))


def _entries(node: MappingNode, path: Path, document: Document) -> Iterator[tuple[str, Plain]]:
    seen: dict[str, Span] = {}
    for key, value in node.value:
        if len(document.faults) == MOST_FAULTS:
            return
        span = _span(document.source, key)
        if not isinstance(key, ScalarNode):
            document.faults.append(Diagnostic("E0503", "a key is a word", Label(span)))
        elif key.value in seen:
            document.faults.append(_duplicate(key.value, span, seen[key.value], value.end_mark.index))
        else:
            seen[key.value] = document.keys[(*path, key.value)] = span
            yield key.value, _plain(value, (*path, key.value), document)


def _duplicate(key: str, span: Span, first: Span, end: int) -> Diagnostic:
    text = span.source.text
    line = text.rfind("\n", 0, span.start) + 1
    stop = text.find("\n", max(span.start, end - 1))
    edit = Edit(span.source.span(line, stop + 1 if stop >= 0 else len(text)), "")
    label = Label(span, "given again here")
    return Diagnostic(
        "E0503", f"`{key}` is given twice", label, (Label(first, "first here"),), "drop one of the two", edit
    )


def _span(source: Source, node: Node) -> Span:
    """The characters of a node, without the line ends and spaces that YAML counts to a block."""
    start, end = node.start_mark.index, node.end_mark.index
    return source.span(start, max(start + len(source.text[start:end].rstrip()), min(start + 1, len(source.text))))
