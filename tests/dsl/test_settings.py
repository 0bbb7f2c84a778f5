"""Settings from outside say the same as variants inside, and what does not fit is refused where it is written."""

from __future__ import annotations

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
        ({"size": 8, "times": 4.5}, "E0212", "not like its default `4`"),
        ({"size": 8, "times": "four"}, "E0212", "no value is called this"),
        ({"size": "every(2)"}, "E0212", "this is for sharing"),
        ({"size": 8, "mode": "every(2)"}, "E0212", "this is for sharing"),
        ({"size": 8, "norm": "btach_norm"}, "E0212", "no value is called this"),
        ({"size": 8, "bias": 1}, "E0212", "not like its default `false`"),
        ({"size": 8, "refine.shar": None}, "E0212", "did you mean `share`?"),
        ({"size": 8, "refin.share": None}, "E0212", "did you mean `refine`?"),
        ({"size": 8, "refine.share": "some"}, "E0217", "`all`, `none` or `every(k)`"),
        ({"size": 8, "refine.share": "every(0)"}, "E0217", "whole number from 1"),
        ({"size": 8, "refine.private": ["nrom"]}, "E0405", "did you mean `norm`?"),
        ({"size": 8, "exits": [1, 2, 9]}, "E0403", "write `exits=[1, 2]`"),
        ({"size": 8, "exits": [2, 1]}, "E0404", "write `exits=[1, 2]`"),
        ({"size": 8, "times": 0}, "E0408", "1 to 1000000 times"),
        ({"size": 8, "times": 2_000_000}, "E0408", "1 to 1000000 times"),
        ({"size": 0}, "E0303", "a size is at least 1"),
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
    with pytest.raises(CompileError, match=r"E0392.*vary each other deeper than 64"):
        load_net(Source("spec.itn", f"{SPEC}\n{variants}\n"))
