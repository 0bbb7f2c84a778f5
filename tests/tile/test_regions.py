"""What tiles receive and keep: the positions that are read, counted by loops over the windows, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from math import floor, prod
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from itc.interpreter import interpret
from itc.ir import Net
from itc.source import Source
from itc_dsl import load_net
from itc_tile import TileReadError, compile_net, parse_machine, report, simulate
from itc_tile.machine.model import Machine
from itc_tile.program.footprint import footprint
from itc_tile.program.program import Program
from itc_tile.tiling.partition import Split
from itc_tile.tiling.region import Region
from itc_tile.tiling.sets import Sets, either, joined
from itc_tile.timing.exchange import Exchange
from tests.random_nets import difference, on_random_nets, random_inputs, random_weights
from tests.tile.machines import compiled, machines
from tests.tile.placements import place

MACHINE = """
name: sixteen
about: 16 tiles without overheads
tiles: 16
clock: 1 GHz
tile: {memory: 64 KiB, load: 16 B/cycle, store: 8 B/cycle, workers: 6}
compute:
  f32:
    matrix: {rate: 16 MAC/cycle, inputs: 8, outputs: 16, setup: 0 cycles, call: 0 cycles}
    vector:
      width: 2
      call: 0 cycles
      access: 2 cycles
      multiply_add: 1.5 cycles
      special: 5 cycles
      window: 3 cycles
      row: 0 cycles
exchange: {network: all-to-all, bandwidth: 4 B/cycle, latency: 0 cycles, sync: 0 cycles, multicast: no}
code: {base: 0 KiB, operation: 0 KiB, copy: 0 B}
"""


@pytest.fixture(scope="module")
def sixteen() -> Machine:
    return parse_machine(Source("sixteen.yaml", MACHINE))


def net_of(expression: str, shape: tuple[int, ...]) -> Net:
    text = f"network n:\n    input x: f32{list(shape)}\n    emit y = {expression}\n"
    return load_net(Source("n.itn", text))


def received(program: Program) -> list[int]:
    """Bytes that each tile of the one kernel takes in for an image."""
    (amounts,) = Exchange(program).received.values()
    return amounts.tolist()


def kept(program: Program) -> list[int]:
    """Bytes of inputs on each tile of the one kernel."""
    (memory,) = footprint(program).values()
    return memory["inputs"].tolist()


# Two cases with figures by hand


def test_dilated_windows(sixteen: Machine) -> None:
    """4 rows a tile, each of 3 taps 8 rows apart: 12 rows of 8 channels; 4 fewer where the map ends."""
    program = compile_net(net_of("conv(x, 8, [3, 1], dilation=[8, 1], pad=[8, 0])", (8, 64, 1)), sixteen)
    edge, middle = 8 * 8 * 4, 12 * 8 * 4
    assert received(program) == kept(program) == [edge] * 2 + [middle] * 12 + [edge] * 2
    found = report(program).stream
    assert (found.period_cycles, found.bound_cycles) == (96, 96)


def test_strides_larger_than_windows(sixteen: Machine) -> None:
    """A tile makes 1 of 16 rows and 2 columns of 8 channels: 2 positions of 8 channels are read."""
    program = compile_net(net_of("conv(x, 8, 1, stride=4)", (8, 64, 8)), sixteen)
    assert received(program) == kept(program) == [64] * 16
    (kernel,) = report(program).kernels
    assert kernel.exchange_cycles == 64 // 4
    assert (
        kernel.compute_cycles == report(program).stream.period_cycles == (64 + 8 * 8 * 4) // 16
    )  # through its load port


def test_a_row_that_is_left_out_is_missed(sixteen: Machine) -> None:
    net = net_of("conv(x, 8, [3, 1], dilation=[8, 1], pad=[8, 0])", (8, 64, 1))
    program = compile_net(net, sixteen)
    (edge,) = program.edges
    broken = replace(program, edges=(replace(edge, table=edge.table.without(5)),))
    with pytest.raises(TileReadError) as error:
        simulate(broken, random_inputs(net), random_weights(net))
    assert error.value.box == ((0, 8), (12, 32), (0, 1))
    assert str(error.value).startswith("tile 5 reads [0..7 x 12..31 x 0..0] of %x")


def test_tiles_that_take_the_same_positions_are_sent_them_once(sixteen: Machine) -> None:
    multicast = sixteen.model_copy(update={"exchange": sixteen.exchange.model_copy(update={"multicast": True})})
    net = net_of("conv(relu(x), 32, 1, stride=4)", (8, 16, 16))
    fused = compile_net(net, multicast)
    program = place(fused.net, {label: Split(4, 2, 2) for label in fused.nodes})
    for machine, rows in ((sixteen, 16), (multicast, 4)):
        exchange = Exchange(replace(program, machine=machine))
        assert exchange.sent == {"conv": {}}
        (edge,) = program.edges
        assert len(exchange._sent_once(edge)) == rows


def test_equal_regions_of_one_table_are_one() -> None:
    table = np.array([0, 4, 8, 1, 4, 8], np.int64)
    region = Region(np.array([[[0, 2], [0, 3]], [[0, 2], [1, 3]], [[0, 2], [4, 6]], [[1, 2], [4, 6]]]), {1: table})
    first, second, third, fourth = region.identities().tolist()
    assert second == third != first
    assert fourth != third


# Random layers against loops

Axis = Callable[[int, int], Iterator[int]]
"""The positions of an axis of so many that one position of the result reads."""


class Drawn:
    """An expression over `x`, and for its rows and columns what a position of the result reads."""

    def __init__(self, expression: str, axes: tuple[Axis, Axis], channels: Axis) -> None:
        self.expression = expression
        self.axes = (channels, *axes)


def windows(kernel: int, stride: int, pad: int, dilation: int) -> Axis:
    def read(size: int, at: int) -> Iterator[int]:
        for tap in range(kernel):
            source = at * stride - pad + tap * dilation
            if 0 <= source < size:
                yield source

    return read


def spread(kernel: int, stride: int, pad: int, dilation: int) -> Axis:
    def read(size: int, at: int) -> Iterator[int]:
        for source in range(size):
            if any(source * stride - pad + tap * dilation == at for tap in range(kernel)):
                yield source

    return read


def nearest(target: int) -> Axis:
    def read(size: int, at: int) -> Iterator[int]:
        yield min(floor(np.float32(at) * (np.float32(size) / np.float32(target))), size - 1)

    return read


def bilinear(target: int) -> Axis:
    def read(size: int, at: int) -> Iterator[int]:
        low = min(int(max((at + 0.5) * (size / target) - 0.5, 0)), size - 1)
        yield from {low, min(low + 1, size - 1)}

    return read


def everything(size: int, at: int) -> Iterator[int]:
    yield from range(size)


def itself(size: int, at: int) -> Iterator[int]:
    yield at


@st.composite
def layers(draw: Any, shape: tuple[int, ...]) -> Drawn:
    kind = draw(st.sampled_from(["conv", "depthwise", "pool", "resize", "conv_transpose", "slice"]))
    number = lambda least, most: draw(st.integers(least, most))  # noqa: E731
    if kind == "resize":
        targets = [number(1, size + 4) for size in shape[1:]]
        mode, axis = draw(st.sampled_from([("nearest", nearest), ("bilinear", bilinear)]))
        rows, columns = (axis(target) for target in targets)
        return Drawn(f'resize(x, size={targets}, mode="{mode}")', (rows, columns), itself)
    if kind == "slice":
        start, step = number(0, shape[1] - 1), number(1, 5)
        return Drawn(f"slice(x, {start}, axis=1, step={step})", (windows(1, step, -start, 1), itself), itself)
    dilations = [1, 1] if kind == "pool" else [number(1, 4), number(1, 4)]
    kernels = [number(1, min(4, 1 + (size - 1) // d)) for size, d in zip(shape[1:], dilations, strict=True)]
    strides, pads = [number(1, 5), number(1, 5)], [number(0, k // 2) for k in kernels]
    numbers = list(zip(kernels, strides, pads, dilations, strict=True))
    if kind == "conv_transpose":
        kept = [p if d * (k - 1) >= 2 * p else 0 for k, _, p, d in numbers]
        numbers = [(k, s, p, d) for (k, s, _, d), p in zip(numbers, kept, strict=True)]
        text = f"conv_transpose(x, 4, {kernels}, stride={strides}, pad={kept}, dilation={dilations})"
        return Drawn(text, (spread(*numbers[0]), spread(*numbers[1])), everything)
    rest = f"{kernels}, stride={strides}, pad={pads}"
    axes = (windows(*numbers[0]), windows(*numbers[1]))
    if kind == "pool":
        return Drawn(f"{draw(st.sampled_from(['max_pool', 'avg_pool']))}(x, {rest})", axes, itself)
    if kind == "depthwise":
        return Drawn(f"depthwise(x, {rest}, dilation={dilations})", axes, itself)
    return Drawn(f"conv(x, 4, {rest}, dilation={dilations})", axes, everything)


def positions_read(axes: tuple[Axis, ...], shape: tuple[int, ...], box: Any) -> set[tuple[int, ...]]:
    """Every position of the input that any position of the box reads."""
    along = [
        {place for at in range(first, end) for place in read(size, at)}
        for read, size, (first, end) in zip(axes, shape, box, strict=True)
    ]
    return set(product(*along))


SHAPE = (3, 17, 11)


@settings(on_random_nets, max_examples=60, suppress_health_check=list(HealthCheck))
@given(layers(SHAPE), machines(), st.booleans())
def test_tiles_receive_and_keep_what_windows_read(drawn: Drawn, machine: Machine, soft: bool) -> None:
    """Also where an operation on single elements is computed in front, by the tiles that read its result."""
    expression = drawn.expression.replace("(x,", "(relu(x),") if soft else drawn.expression
    net = net_of(expression, SHAPE)
    program = compiled(net, machine)
    (node,) = program.nodes.values()
    made = program.required[node.label][node.kernel.result.name].boxes.tolist()
    counted = [len(positions_read(drawn.axes, SHAPE, box)) * 4 if is_some(box) else 0 for box in made]
    assert received(program) == counted
    assert program.required[node.label]["x0"].boxes.shape[0] == len(counted)
    for shard, box in enumerate(made):
        if is_some(box):
            held = set(product(*(at.tolist() for at in program.required[node.label]["x0"].positions(shard))))
            assert held == positions_read(drawn.axes, SHAPE, box)
    weights, inputs = random_weights(net), random_inputs(net)
    found, expected = simulate(program, inputs, weights), interpret(net, inputs, weights)
    assert difference(found["y"], expected["y"]) < 1e-4


def is_some(box: list[list[int]]) -> bool:
    return prod(end - first for first, end in box) > 0


def dependencies(net: Net, box: Any) -> set[tuple[int, ...]]:
    """Positions of the input whose not being a number is seen in a box of the result."""
    shape = net.inputs[0].tensor.shape
    weights, inputs = random_weights(net), random_inputs(net)
    found = set()
    with np.errstate(all="ignore"):
        for at in np.ndindex(shape):
            spoiled = inputs[net.inputs[0].name].copy()
            spoiled[(0, *at)] = np.nan
            out = interpret(net, {net.inputs[0].name: spoiled}, weights)["y"]
            if np.isnan(out[(0, *(slice(first, end) for first, end in box))]).any():
                found.add(at)
    return found


@pytest.mark.parametrize(
    "expression",
    [
        "conv(resize(x, 2), 2, 1, stride=3)",
        'resize(conv(x, 2, 1), size=[3, 2], mode="bilinear")',
        'resize(relu(conv(x, 2, [3, 1], pad=[1, 0])), size=[2, 2], mode="bilinear")',
        'resize(channel_shuffle(x, 2), size=[2, 4], mode="nearest")',
        "conv(concat(x, x, axis=1), 2, 1, stride=[5, 2])",
        "conv(concat(relu(x), resize(x, 1)), 2, [2, 1], dilation=[4, 1], stride=[1, 2], pad=0)",
        "depthwise(resize(x, 0.5), [2, 2], dilation=[2, 1], pad=0)",
        'resize(batch_norm(conv(x, 4, 1, stride=2)), size=[2, 1], mode="bilinear")',
        "slice(batch_norm(x), step=3)",
        "slice(prelu(x), 1, axis=1, step=2)",
    ],
)
def test_chains_in_one_kernel(expression: str) -> None:
    """Windows upon windows: what is kept is what the result depends on."""
    net = net_of(expression, (4, 9, 6))
    fused = compile_net(net, parse_machine(Source("sixteen.yaml", MACHINE)))
    (node,) = fused.nodes.values()
    program = place(fused.net, {node.label: Split(2, 2, 1)})
    held = program.required[node.label]
    for shard, box in enumerate(held[node.kernel.result.name].boxes):
        assert set(product(*(at.tolist() for at in held["x0"].positions(shard)))) == dependencies(net, box)
    weights, inputs = random_weights(net), random_inputs(net, 2)
    found, expected = simulate(program, inputs, weights), interpret(net, inputs, weights)
    assert difference(found["y"], expected["y"]) < 1e-4


# Sets

MEMBERS = st.lists(st.sets(st.integers(0, 19)), min_size=1, max_size=5)


def sets_of(members: list[set[int]]) -> Sets:
    pairs = [(number, at) for number, each in enumerate(members) for at in each]
    numbers, first = np.array(pairs, np.int64).reshape(-1, 2).T
    return joined(len(members), 20, lambda: iter([(numbers, first, first + 1)]))


def listed(sets: Sets) -> list[set[int]]:
    return [set(sets.take(number).tolist()) for number in range(len(sets.bounds))]


@given(MEMBERS, MEMBERS)
def test_unions(left: list[set[int]], right: list[set[int]]) -> None:
    left, right = zip(*zip(left, right, strict=False), strict=True)  # type: ignore[assignment]
    found = either(sets_of(left), sets_of(right), 20)
    assert listed(found) == [a | b for a, b in zip(left, right, strict=True)]


@given(MEMBERS, st.integers(-3, 25), st.integers(0, 25))
def test_what_lies_in_an_interval(members: list[set[int]], first: int, size: int) -> None:
    sets = sets_of(members)
    interval = np.array([first, first + size])
    expected = [{at for at in each if first <= at < first + size} for each in members]
    assert listed(sets.within(interval)) == expected
    assert [list(range(*pair)) for pair in sets.hull.tolist()] == [
        list(range(min(each), max(each) + 1)) if each else [] for each in members
    ]
    own, numbers = sets.distinct()
    assert [listed(own)[number] for number in numbers] == members
