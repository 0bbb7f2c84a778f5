from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from itc.interpreter import _Interpreter
from itc.ir import Apply
from itc.ir.op import Array
from itc_tile.program import Program
from itc_tile.simulate import TileReadError, Tiles, run, simulate
from tests.random_nets import Limits, cases, difference
from tests.tile.placements import programs


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_tiles_compute_what_the_interpreter_does(data):
    check_equal(data, Limits())


@pytest.mark.long
@settings(max_examples=400, deadline=None)
@given(st.data())
def test_tiles_compute_what_the_interpreter_does_on_larger_nets(data):
    check_equal(data, Limits(statements=6, depth=3))


def check_equal(data, limits):
    case = data.draw(cases(limits))
    program = data.draw(programs(case.net))
    found = simulate(program, case.inputs, case.weights)
    assert list(found) == list(case.outputs)
    assert max(difference(found[label], case.outputs[label]) for label in found) < 1e-4


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_copy_can_be_left_out(data):
    case = data.draw(cases())
    program = data.draw(programs(case.net))
    tables = [(kind, at) for kind in ("edges", "exits", "loads") for at in range(len(getattr(program, kind)))]
    kind, at = data.draw(st.sampled_from(tables))
    row = data.draw(st.integers(0, len(getattr(program, kind)[at].copies) - 1))
    with pytest.raises(TileReadError) as error:
        simulate(without(program, kind, at, row), case.inputs, case.weights)
    check_place(program, getattr(program, kind)[at], row, error.value)


def without(program: Program, kind: str, at: int, row: int) -> Program:
    """`program` less one row of one of its tables."""
    tables = list(getattr(program, kind))
    tables[at] = replace(tables[at], copies=tables[at].copies.without(row))
    return replace(program, **{kind: tuple(tables)})


def check_place(program, table, row, error):
    """The error names a tile that the row would have gone to, and the elements that it would have brought."""
    if error.tile is not None:
        tiles = program.placements[table.consumer].tiles[:, table.copies.target[row]]
        assert error.tile in tiles
        assert error.kernel == table.consumer
    assert [list(pair) for pair in error.box] == table.copies.boxes[row].tolist()


class Changed(_Interpreter):
    """Interprets a fused net in which one shard of one copy of a kernel has a parameter of its own."""

    def __init__(self, program, weights, label, copy, shard, position, change):
        super().__init__(program.net, weights)
        self.node = program.nodes[label]
        self.copy, self.position, self.change = copy, position, change
        self.box = program.regions[label][self.node.kernel.result.name][shard]
        self.read = program.regions[label][self.node.kernel.params[position].name][shard]

    def apply(self, apply: Apply) -> None:
        super().apply(apply)
        if apply != self.node.apply or self.node.copy_at(self.iteration) != self.copy:
            return
        operands = [self.operand(operand) for operand in apply.operands]
        at = len(apply.values) + self.position
        operands[at] = operands[at].copy()
        operands[at][slices(self.read)] += self.change
        name, place = apply.result.name, (slice(None), *slices(self.box))
        self.values[name] = self.values[name].copy()
        self.values[name][place] = apply.op.evaluate(*operands)[0][place]

    def run(self, inputs) -> dict[str, Array]:
        self.values.update(inputs)
        self.statements(self.net.body)
        return self.outputs()


def slices(box):
    return tuple(slice(int(first), int(end)) for first, end in box)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_weight_of_one_tile_changes_what_depends_on_it(data):
    case = data.draw(cases())
    program = data.draw(programs(case.net))
    assume(program.loads)
    load = data.draw(st.sampled_from(program.loads))
    shard = int(data.draw(st.sampled_from(load.copies.target)))
    copy = data.draw(st.integers(0, program.nodes[load.consumer].copies - 1))

    tiles = Tiles(program, case.weights)
    before = run(tiles, case.inputs)
    tiles.at[load.consumer, copy].params[load.position].data[shard] += np.float32(0.5)
    after = run(tiles, case.inputs)

    plain = Changed(program, case.weights, load.consumer, copy, shard, load.position, 0.0).run(case.inputs)
    changed = Changed(program, case.weights, load.consumer, copy, shard, load.position, np.float32(0.5))
    expected = changed.run(case.inputs)
    for label, array in after.items():
        touched = expected[label] != plain[label]
        assert np.array_equal(array[~touched], before[label][~touched])
        assert difference(array, expected[label]) < 1e-4
