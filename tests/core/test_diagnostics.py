"""The rendering of diagnostics, as full texts, and the edits that they carry."""

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, render
from itc.source import Source, Span

SOURCE = Source(
    "itnet.itn",
    "network n(f):\n    state = [x + conv(concat(resized), c) for x in state]\n\n\n\n    state = pyramid(image)\n",
)


def span(text: str) -> Span:
    start = SOURCE.text.index(text)
    return SOURCE.span(start, start + len(text))


def test_labels_on_one_line_and_far_away() -> None:
    plus = span("+ conv")
    diagnostic = Diagnostic(
        "E0301",
        "`+` adds 25 channels to 51",
        Label(SOURCE.span(plus.start, plus.start + 1)),
        (
            Label(SOURCE.span(plus.start - 2, plus.start - 1), "`x` has 51 channels"),
            Label(span("conv(concat(resized), c)"), "the convolution has 25 channels"),
            Label(span("pyramid(image)"), "`state[0]` comes from here"),
        ),
        help="give both the same width:\n`conv(concat(resized), 51)`",
    )
    assert render([diagnostic]) == (
        "error[E0301]: `+` adds 25 channels to 51\n"
        " --> itnet.itn:2:16\n"
        "  |\n"
        "2 |     state = [x + conv(concat(resized), c) for x in state]\n"
        "  |              - ^ ------------------------ the convolution has 25 channels\n"
        "  |              |\n"
        "  |              `x` has 51 channels\n"
        "...\n"
        "6 |     state = pyramid(image)\n"
        "  |             -------------- `state[0]` comes from here\n"
        "  = help: give both the same width:\n"
        "          `conv(concat(resized), 51)`"
    )


def test_a_label_in_another_file_gets_a_header_of_its_own() -> None:
    other = Source("std.itn", "block b(x):\n    return x\n")
    diagnostic = Diagnostic("E0203", "two of them", Label(span("network")), (Label(other.span(6, 7), "the first"),))
    assert render([diagnostic]) == (
        "error[E0203]: two of them\n"
        " --> itnet.itn:1:1\n"
        "  |\n"
        "1 | network n(f):\n"
        "  | ^^^^^^^\n"
        " ::: std.itn:1:7\n"
        "  |\n"
        "1 | block b(x):\n"
        "  |       - the first"
    )


def test_control_characters_do_not_reach_the_terminal() -> None:
    source = Source("a.itn", "x\x1b[31m = 1\t# y\n")
    text = render([Diagnostic("E0101", "no", Label(source.span(1, 2), "here"))])
    assert "\x1b" not in text
    assert "1 | x\N{REPLACEMENT CHARACTER}[31m = 1 # y\n  |  ^ here" in text


def test_the_end_of_the_text_can_be_pointed_at() -> None:
    end = len(SOURCE.text)
    assert "  | ^ it ends" in render([Diagnostic("E0102", "no", Label(SOURCE.span(end, end), "it ends"))])


def test_an_edit_replaces_its_span() -> None:
    assert Edit(span("network"), "net").apply().startswith("net n(f):")


def test_json_counts_lines_and_columns_from_one() -> None:
    error = CompileError(
        [Diagnostic("E0301", "m", Label(span("pyramid"), "t"), help="h", edit=Edit(span("c)"), "51)"))]
    )
    (found,) = (diagnostic.json() for diagnostic in error.diagnostics)
    assert found == {
        "code": "E0301",
        "message": "m",
        "labels": [{"file": "itnet.itn", "line": 6, "column": 13, "end_line": 6, "end_column": 20, "text": "t"}],
        "help": "h",
        "edit": {"file": "itnet.itn", "line": 2, "column": 40, "end_line": 2, "end_column": 42, "text": "51)"},
    }
