"""One net with everything in it: every single row of every table is needed, and used from the right place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from itc.interpreter import interpret
from itc.ir import Net, parse_net, verify
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.program.program import Program, TransferTable
from itc_tile.program.summary import summary
from itc_tile.simulate.values import TileReadError, Tiles, run, simulate
from itc_tile.tiling.partition import Split
from tests.conftest import Golden
from tests.random_nets import random_inputs, random_weights
from tests.rounding import close, tolerances
from tests.tile.hand_itnet import small_itnet
from tests.tile.placements import place

#: A carry from two places, a branch, carries that rotate, private weights, a series that a loop walks, loops in loops,
#: one of which starts from a carry whose next value is made before, and exits.
NET = """net @everything(%x: f32[4, 6, 6]) {
  param @a: 4 x f32[4, 4, 3, 3] {role = weight, init = kaiming}
  param @b: f32[4, 4, 1, 1] {role = weight, init = kaiming}
  param @c: 2 x f32[4, 4, 3, 3] {role = weight, init = kaiming}
  param @d: 2 x f32[4] {role = bias, init = zeros}
  param @e: f32[4, 4, 1, 1] {role = weight, init = kaiming}

  %i, %j, %heads, %kept = loop %t in 1..4 carry (%s = %x, %r = %x) {
    %1 = when %t in {2, 3, 4} {
      %2 = conv(%s, @a[%t]) {pad = [1, 1]}: f32[4, 6, 6]
      yield %2
    } else {
      yield %s
    }: f32[4, 6, 6]
    %3 = add(%1, %r): f32[4, 6, 6]
    %4 = tanh(%3): f32[4, 6, 6]
    emit when %t in {1, 4} {
      %5 = conv(%4, @b): f32[4, 6, 6]
      %6 = resize(%5) {mode = bilinear, factor = 2}: f32[4, 12, 12]
      yield %6
    }
    emit when %t in {2, 3} {
      %f = loop %h in 1..2 carry (%g = %r) {
        %m = sigmoid(%g): f32[4, 6, 6]
        yield %m
      }: f32[4, 6, 6]
      yield %f
    }
    yield %4, %s
  }: f32[4, 6, 6], f32[4, 6, 6], 2 x f32[4, 12, 12], 2 x f32[4, 6, 6]
  %k, %n2 = loop %u in 1..2 each (%w = %kept) carry (%o = %i, %n = %j) {
    %q = loop %v in 1..2 carry (%z = %o) {
      %7 = conv(%z, @c[%u], @d[%v]) {pad = [1, 1]}: f32[4, 6, 6]
      %8 = add(%7, %w): f32[4, 6, 6]
      yield %8
    }: f32[4, 6, 6]
    %9 = conv(%o, @e): f32[4, 6, 6]
    %11 = tanh(%q): f32[4, 6, 6]
    %l = loop %p in 1..2 carry (%y = %n) {
      %10 = sub(%9, %y): f32[4, 6, 6]
      yield %10
    }: f32[4, 6, 6]
    %12 = add(%11, %l): f32[4, 6, 6]
    yield %12, %11
  }: f32[4, 6, 6], f32[4, 6, 6]
  %13 = global_pool(%k): f32[4]
  %14 = add(%j, %x): f32[4, 6, 6]
  return %heads {name = head, at = {1, 4}}
  return %13 {name = y}
  return %14 {name = z}
}
"""


@pytest.fixture(scope="module")
def net() -> Net:
    return verify(parse_net(NET.replace("@a[%t]", "@a[%t in {2, 3, 4}]").replace("param @a: 4", "param @a: 3")))


@pytest.fixture(scope="module")
def program(net: Net) -> Program:
    fused = fuse(net)
    cut = Split(2, 2, 1)
    return place(
        fused,
        {label: _cut(node.kernel.result.tensor.shape, cut) for label, node in KernelGraph(fused).instances.items()},
    )


def _cut(shape: tuple[int, ...], split: Split) -> Split:
    return split if len(shape) == 3 else Split(2)


def test_values(net: Net, program: Program) -> None:
    weights, inputs = random_weights(net), random_inputs(net, 3)
    found, expected = simulate(program, inputs, weights), interpret(net, inputs, weights)
    close(found, expected, tolerances(net, inputs, weights, expected))


def test_every_row_of_every_table_is_needed(net: Net, program: Program) -> None:
    weights, inputs = random_weights(net), random_inputs(net, 1)
    for name, changed, at in each_row_left_out(program):
        with pytest.raises(TileReadError):
            simulate(changed, inputs, weights)
            raise AssertionError(f"row {at} of {name} is not needed")


def each_row_left_out(program: Program) -> Iterator[tuple[str, Program, int]]:
    def without(copies: TransferTable, tables: tuple, position: int, row: int) -> tuple:  # type: ignore[type-arg]
        less = replace(tables[position], table=copies.without(row))
        return (*tables[:position], less, *tables[position + 1 :])

    for field in ("edges", "exits", "loads"):
        tables = getattr(program, field)
        for position, table in enumerate(tables):
            for row in range(len(table.table)):
                changed = replace(program, **{field: without(table.table, tables, position, row)})
                yield f"{field}[{position}]", changed, row


def test_rows_that_write_one_shard_are_disjoint(program: Program) -> None:
    for table in (*program.edges, *program.exits, *program.loads):
        copies = table.table
        for target in np.unique(copies.target):
            boxes = copies.boxes[copies.target == target]
            seen: set[tuple[int, ...]] = set()
            for box in boxes:
                places = set(np.ndindex(*(box[:, 1] - box[:, 0])))
                shifted = {tuple(np.add(place, box[:, 0]).tolist()) for place in places}
                assert not seen & shifted
                seen |= shifted


def test_the_error_says_which_tile_lacks_what(net: Net, program: Program) -> None:
    at, edge = next((i, e) for i, e in enumerate(program.edges) if e.consumer == "e")
    changed = replace(edge, table=edge.table.without(0))
    broken = replace(program, edges=(*program.edges[:at], changed, *program.edges[at + 1 :]))
    with pytest.raises(TileReadError) as error:
        simulate(broken, random_inputs(net), random_weights(net))
    tile = int(program.placements["e"].tiles[0, edge.table.target[0]])
    box = tuple(map(tuple, edge.table.boxes[0].tolist()))
    assert (error.value.tile, error.value.kernel, error.value.value, error.value.box) == (tile, "e", "%o", box)
    places = " x ".join(f"{first}..{end - 1}" for first, end in box)
    assert str(error.value) == f"tile {tile} reads [{places}] of %o for e, where no copy wrote"


def test_text(program: Program, golden: Golden) -> None:
    golden(Path(__file__).parent / "golden" / "everything.tile", summary(program))


def test_text_with_tables_has_a_line_for_every_copy(program: Program) -> None:
    more = len(summary(program, tables=True).splitlines()) - len(summary(program).splitlines())
    assert more == sum(len(table.table) for table in (*program.edges, *program.exits, *program.loads))


def test_one_run_leaves_nothing_behind_for_the_next(net: Net, program: Program) -> None:
    weights = random_weights(net)
    tiles = Tiles(program, weights)
    for seed, batch in ((0, 2), (1, 1), (2, 3)):
        inputs = random_inputs(net, batch, seed)
        found = run(tiles, inputs)
        expected = interpret(net, inputs, weights)
        close(found, expected, tolerances(net, inputs, weights, expected))


def test_the_weights_of_a_head_change_its_output_alone() -> None:
    net = small_itnet()
    fused = fuse(net)
    program = place(fused, {label: Split(1, 2, 2) for label in KernelGraph(fused).instances})
    tiles = Tiles(program, random_weights(net))
    inputs = random_inputs(net)
    before = run(tiles, inputs)
    tiles.at["head_1", 1].params[0].data[2] += 1
    after = run(tiles, inputs)
    changed = {label: np.argwhere((after[label] != before[label]).any((0, 1))) for label in after}
    assert [label for label, places in changed.items() if len(places)] == ["segmentation@4"]
    rows, columns = program.regions["head_1"]["v1"][2][1:].tolist()
    places = changed["segmentation@4"]
    assert (places.min(0).tolist(), places.max(0).tolist()) == ([rows[0], columns[0]], [rows[1] - 1, columns[1] - 1])


def test_an_early_weight_changes_everything_behind_it() -> None:
    net = small_itnet()
    fused = fuse(net)
    program = place(fused, {label: Split(1, 2, 2) for label in KernelGraph(fused).instances})
    tiles = Tiles(program, random_weights(net))
    before = run(tiles, random_inputs(net))
    tiles.at["mix_1", 0].params[0].data[0] += 1
    after = run(tiles, random_inputs(net))
    assert [label for label in after if not np.array_equal(after[label], before[label])] == ["segmentation@4"]


def test_the_program_does_not_grow_with_the_iterations() -> None:
    texts = []
    for iterations in (4, 64):
        fused = fuse(small_itnet(iterations))
        texts.append(summary(place(fused, {label: Split(1, 2, 2) for label in KernelGraph(fused).instances})))
    lines = [text.splitlines() for text in texts]
    assert len(lines[0]) == len(lines[1])
    assert abs(len(texts[0]) - len(texts[1])) < 500
