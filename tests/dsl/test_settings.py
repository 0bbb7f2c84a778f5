"""Settings from outside say the same as variants inside, and what does not fit is refused where it is written."""

from __future__ import annotations

import numpy as np
import pytest

from itc.diagnostics import CompileError
from itc.ir import print_net
from itc.source import Source
from itc_dsl import load_net, parse_setting, setting_text

SPEC = """
@loop(times)
@share(all, private=norm)
iterative refine(carry state, times):
    state = state |> conv(3, 3) |> batch_norm

network net(times=4, exits=[1, 4], mode="nearest", norm=batch_norm, rate=0.5, bias=false, size):
    input image: f32[3, size, size]
    x = image |> norm |> conv(3, 3, bias=bias) |> dropout(rate) |> refine(times=times)
    emit y = x |> resize(2, mode=mode) at exits

network large = net(size=8)
network other = large(times=2, exits=[2], mode=bilinear, norm=identity, refine.share=every(2), bias=true, rate=0)
"""
OTHER = ["times=2", "exits=[2]", "mode=bilinear", "norm=identity", "refine.share=every(2)", "bias=true", "rate=0"]


def text_of(network: str, settings: dict[str, object] | None = None) -> str:
    return print_net(load_net(Source("spec.itn", SPEC), network, settings)).partition("\n")[2]


def test_settings_and_variants_use_the_same_words() -> None:
    assert text_of("large", dict(map(parse_setting, OTHER))) == text_of("other")
    assert text_of("net", {"size": 8}) == text_of("large")
    assert text_of("other", {"exits": (1, 2)}) != text_of("other")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("f=29", 29),
        ("rate = -0.5", -0.5),
        ("flag=true", True),
        ("refine.share=none", None),
        ("refine.share=every(4)", "every(4)"),
        ("refine.private=[norm, mix]", ["norm", "mix"]),
        ("exits=[1,2,]", [1, 2]),
        ("mode=bilinear", "bilinear"),
        ("mode='a b'", "a b"),
        ("nested=[[1], [true, none]]", [[1], [True, None]]),
    ],
)
def test_literals(text: str, value: object) -> None:
    name, parsed = parse_setting(text)
    assert parsed == value
    assert parse_setting(setting_text(name, parsed)) == (name, value)


@pytest.mark.parametrize("text", ["", "f", "f=", "=3", "f=3 4", "f=range(", "a.b.c=3", "f=f*2", "f=$", "f=\n3", "f=[1"])
def test_malformed_settings(text: str) -> None:
    with pytest.raises(CompileError) as raised:
        parse_setting(text)
    assert raised.value.diagnostics[0].code in ("E0112", "E0101", "E0102")


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"sise": 8}, "E0212", "did you mean `size`?"),
        ({"size": 8, "widht": 3}, "E0212", "net has: times, exits, mode, norm, rate, bias, size, refine.share"),
        ({}, "E0209", "`size` of `net` has no value"),
        ({"size": 8, "times": 4.5}, "E0212", "not of the type of its default `4`"),
        ({"size": 8, "times": "four"}, "E0212", "unknown name"),
        ({"size": "every(2)"}, "E0212", "`every` is for sharing"),
        ({"size": 8, "mode": "every(2)"}, "E0212", "`every` is for sharing"),
        ({"size": 8, "norm": "btach_norm"}, "E0212", "unknown name"),
        ({"size": 8, "bias": 1}, "E0212", "not of the type of its default `false`"),
        ({"size": 8, "refine.shar": None}, "E0212", "did you mean `share`?"),
        ({"size": 8, "refin.share": None}, "E0212", "did you mean `refine`?"),
        ({"size": 8, "refine.share": "some"}, "E0217", "`all`, `none` or `every(k)`"),
        ({"size": 8, "refine.share": "every(0)"}, "E0217", "a positive integer"),
        ({"size": 8, "refine.private": ["nrom"]}, "E0405", "did you mean `norm`?"),
        ({"size": 8, "exits": [1, 2, 9]}, "E0403", "write `exits=[1, 2]`"),
        ({"size": 8, "exits": [2, 1]}, "E0404", "write `exits=[1, 2]`"),
        ({"size": 8, "times": 0}, "E0408", "1 to 1000000 iterations"),
        ({"size": 8, "times": 2_000_000}, "E0408", "1 to 1000000 iterations"),
        ({"size": 0}, "E0303", "a size must be at least 1"),
        ({"size": 1j}, "E0112", "cannot be a complex"),
    ],
    ids=str,
)
def test_what_does_not_fit(settings: dict[str, object], code: str, words: str) -> None:
    with pytest.raises(CompileError) as raised:
        load_net(Source("spec.itn", SPEC), "net", settings)
    assert raised.value.diagnostics[0].code == code
    assert words in str(raised.value)


def test_unknown_network() -> None:
    with pytest.raises(CompileError, match="it has: net, large, other"):
        load_net(Source("spec.itn", SPEC), "nett")


def test_a_long_chain_of_variants_is_refused() -> None:
    variants = "\n".join(f"network v{n} = {f'v{n - 1}' if n else 'net'}(size=8)" for n in range(70))
    with pytest.raises(CompileError, match=r"E0392.*a chain of variants is longer than 64"):
        load_net(Source("spec.itn", f"{SPEC}\n{variants}\n"))


STRINGS = """
block wide(x):
    return x |> conv(channels(x), 3)

network net(kinds=["narrow"], k, z=none, some=[], blocks=[relu], b=relu):
    input x: f32[3, 8, 8]
    y = x |> conv(5 if k == "x" else 4, 3)
    y = y |> conv(7 if "wide" in kinds else 6, 3) |> conv(9 if z == "a" else 8, 3) |> conv(11 if "q" in some else 10, 3)
    for act in blocks:
        y = y |> act
    emit out = b(y)
"""


@pytest.mark.parametrize(
    ("given", "channels"),
    [
        ({"k": "x"}, [5, 6, 8, 10]),
        ({"k": "max", "z": "a"}, [4, 6, 9, 10]),
        ({"k": "x", "kinds": ["wide"], "some": ["q"]}, [5, 7, 8, 11]),
        ({"k": "x", "kinds": ["wide", "relu"]}, [5, 7, 8, 10]),
        ({"k": "x", "b": "wide", "blocks": ["wide", "gelu"]}, [5, 6, 8, 10, 10, 10]),
    ],
    ids=str,
)
def test_strings_from_outside_keep_their_quotes(given: dict[str, object], channels: list[int]) -> None:
    def widths(settings: dict[str, object]) -> list[int]:
        return [param.type.shape[0] for param in load_net(Source("spec.itn", STRINGS), "net", settings).params]

    assert widths(given) == channels
    assert widths(dict(parse_setting(setting_text(name, value)) for name, value in given.items())) == channels


def test_a_string_in_quotes_is_never_an_operation() -> None:
    with pytest.raises(CompileError, match=r"E0213.*`b` cannot be called"):
        load_net(Source("spec.itn", STRINGS), "net", dict(map(parse_setting, ["k=x", "b='relu'"])))
    with pytest.raises(CompileError, match="did you mean `wide`"):
        load_net(Source("spec.itn", STRINGS), "net", {"k": "x", "b": "wid"})


@pytest.mark.parametrize(("value", "text"), [(np.int64(3), "3"), (np.float32(0.5), "0.5"), (np.bool_(True), "true")])
def test_numbers_of_numpy_are_numbers(value: object, text: str) -> None:
    assert setting_text("f", [value]) == f"f=[{text}]"


def nested(depth: int) -> object:
    return [nested(depth - 1)] if depth else 1


def endless() -> list[object]:
    items: list[object] = []
    items.append(items)
    return items


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("f", endless(), "nested deeper than 50"),
        ("f", nested(51), "nested deeper than 50"),
        ("f", [[0] * 10_000] * 10_000, "items"),
        ("f", range(10**12), "1,000,000,000,000 items"),
        ("f", 10**5000, "an integer of 19 digits or more"),
        ("f", float("inf"), "cannot be inf"),
        ("f", {"a": 1}, "cannot be a dict"),
        ("f", "\"'", "one kind of quotes"),
        ("f", "a\nb", "one line"),
        ("f=3 #", 1, "is not the name of a setting"),
        ("a.b.c", 1, "is not the name of a setting"),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isprintable() else "value",
)
def test_values_that_are_no_settings(name: str, value: object, words: str) -> None:
    with pytest.raises(CompileError, match="E0112") as raised:
        setting_text(name, value)
    assert words in str(raised.value)
    assert setting_text("f", nested(50)).count("[") == 50
