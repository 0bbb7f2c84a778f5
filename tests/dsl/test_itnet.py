"""ItNet, written in the language, comes to the figures of the paper and to exactly this IR, in all its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from itc.analysis.cost import cost
from itc.ir import Net, parse_net, print_net, walk
from itc_dsl import load, load_net, parse_setting, read_source
from tests.conftest import Golden

HERE = Path(__file__).parent
SPEC = HERE.parent.parent / "examples" / "itnet.itn"
SMALL = {"f": 8, "iterations": 4, "scales": 2, "exits": [1, 4], "classes": 5, "height": 64, "width": 64}


def itnet(**settings: object) -> Net:
    return load_net(read_source(SPEC), None, {name.replace("__", "."): v for name, v in settings.items()})


@pytest.mark.parametrize(
    ("network", "settings", "params", "macs", "graph"),
    [
        (None, [], 181_117, 6_210_304_200, 87_449_756),
        (None, ["f=29", "refine.share=none"], 421_988, 2_043_869_400, 407_222_544),
        ("itnet_independent", [], 421_988, 2_043_869_400, 407_222_544),
        (
            None,
            ["height=512", "width=1024", "f=54", "classes=19", "iterations=12", "exits=[1, 2, 4, 6, 8, 9, 10, 12]"],
            209_591,
            16_734_892_032,
            290_447_316,
        ),
        ("itnet_cityscapes", [], 209_591, 16_734_892_032, 290_447_316),
    ],
)
def test_published_figures(network: str | None, settings: list[str], params: int, macs: int, graph: int) -> None:
    net = load_net(read_source(SPEC), network, dict(map(parse_setting, settings)))
    found = cost(net)
    assert (found.params, found.macs, found.graph_bytes) == (params, macs, graph)
    for output in found.outputs:
        assert output.latency == 4 * int(output.label.partition("@")[2]) + 5


def test_29_is_the_largest_width_under_the_limit() -> None:
    assert cost(itnet(f=30, refine__share="none")).macs == 2_323_136_700
    assert max(f for f in range(26, 34) if cost(itnet(f=f, refine__share="none")).macs < 2.2e9) == 29


def test_published_figures_go_with_the_settings_that_they_are_for() -> None:
    source = read_source(SPEC)
    texts = {figure.name: figure.text for figure in load(source).published if figure.kind == "published"}
    assert texts == {"params": "182 k", "macs": "6.2 G", "graph": "83 MiB"}
    variant = load(source, "itnet_independent").published
    assert load(source, settings={"refine.share": "none", "f": 29}).published == variant
    assert [figure.value for figure in variant if figure.kind == "published"] == [424e3, 2.0e9, 384 * 2**20]
    assert load(source, settings={"f": 51, "iterations": 16}).published == load(source).published
    assert load(source, settings={"f": 50}).published == ()


def test_golden(golden: Golden) -> None:
    net = itnet()
    golden(HERE / "golden" / "itnet.itir", print_net(net))
    golden(HERE / "golden" / "itnet_small.itir", print_net(itnet(**SMALL)))
    keys = [f"{param.key} {' '.join(map(str, param.shape))} {param.role}" for param in net.params]
    golden(HERE / "golden" / "itnet.keys", "\n".join(keys))


SETTINGS: list[dict[str, object]] = [
    {},
    {"iterations": 1, "exits": [1]},
    {"iterations": 2, "exits": [2]},
    {"scales": 1},
    {"scales": 4, "bottlenecks": 3, "dropout": 0},
    {"refine__share": "every(4)"},
    {"refine__share": "every(5)", "segmentation__share": "all"},
    {"refine__private": [], "exits": [16]},
    {"refine__private": ["mix", "norm"], "refine__shared": "conv_2"},
    {"height": 37, "width": 53, "f": 4, "classes": 2},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_every_setting_gives_a_net_whose_text_reads_back(settings: dict[str, object]) -> None:
    net = itnet(**settings)
    text = print_net(net)
    assert parse_net(text) == net
    assert print_net(parse_net(text)) == text


def test_the_text_does_not_grow_with_the_iterations() -> None:
    lines = {n: print_net(itnet(iterations=n, exits=[1, 2, 4])).count("\n") for n in (4, 64, 1_000_000)}
    assert len(set(lines.values())) == 1


def test_one_iteration_has_no_region_and_no_mixing() -> None:
    text = print_net(itnet(iterations=1, exits=[1]))
    assert "when %t in {2" not in text
    assert "mix" not in text
    assert "1 x f32[25]" in text  # a private norm keeps its axis of sets


def test_every_statement_has_the_place_it_comes_from() -> None:
    statements = list(walk(itnet(**SMALL).body))
    assert all(statement.span is not None for statement in statements)
    assert {statement.span.source.name.rpartition("/")[2] for statement in statements if statement.span} == {
        "itnet.itn",
        "conv_norm_relu.itn",
        "inverted_residual.itn",
    }
