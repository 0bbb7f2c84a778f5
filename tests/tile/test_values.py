"""Values of random nets on random splits and machines, and that they come from the tiles alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from itc.interpreter import Weights, _Interpreter
from itc.ir import Apply
from itc.ir.op import Array
from itc_tile.machine.model import Machine
from itc_tile.program.program import OperandTransfer, OutputTransfer, ParameterTransfer, Program
from itc_tile.simulate.values import TileReadError, Tiles, run, simulate
from tests.random_nets import CLOSE, Case, Limits, cases, difference, on_random_nets
from tests.tile.machines import compiled, machines
from tests.tile.placements import programs

Transfer = OperandTransfer | OutputTransfer | ParameterTransfer


@on_random_nets
@given(st.data())
def test_tiles_compute_what_the_interpreter_does(data: st.DataObject) -> None:
    check_equal(data, Limits())


@pytest.mark.long
@settings(on_random_nets, max_examples=300)
@given(st.data())
def test_tiles_compute_what_the_interpreter_does_on_larger_nets(data: st.DataObject) -> None:
    check_equal(data, Limits(statements=6, depth=3))


@settings(on_random_nets, max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(cases(), machines())
def test_planned_programs_compute_it_too(case: Case, machine: Machine) -> None:
    compare(compiled(case.net, machine), case)


def check_equal(data: st.DataObject, limits: Limits) -> None:
    case = data.draw(cases(limits))
    compare(data.draw(programs(case.net)), case)


def compare(program: Program, case: Case) -> None:
    found = simulate(program, case.inputs, case.weights)
    assert list(found) == list(case.outputs)
    assert max(difference(found[label], case.outputs[label]) for label in found) <= CLOSE
    check_all_used(program, case)


def check_all_used(program: Program, case: Case) -> None:
    """No table of copies is there for iterations that do not come."""
    tiles = Tiles(program, case.weights)
    run(tiles, case.inputs)
    assert all(tiles.is_used(table.table) for table in (*program.edges, *program.exits, *program.loads))


@on_random_nets
@given(st.data())
def test_no_copy_can_be_left_out(data: st.DataObject) -> None:
    case = data.draw(cases())
    program = data.draw(programs(case.net))
    tables = [(kind, at) for kind in ("edges", "exits", "loads") for at in range(len(getattr(program, kind)))]
    kind, at = data.draw(st.sampled_from(tables))
    row = data.draw(st.integers(0, len(getattr(program, kind)[at].table) - 1))
    with pytest.raises(TileReadError) as error:
        simulate(without(program, kind, at, row), case.inputs, case.weights)
    check_place(program, getattr(program, kind)[at], row, error.value)


def without(program: Program, kind: str, at: int, row: int) -> Program:
    """`program` less one row of one of its tables."""
    tables = list(getattr(program, kind))
    tables[at] = replace(tables[at], table=tables[at].table.without(row))
    return replace(program, **{kind: tuple(tables)})


def check_place(
    program: Program, table: OperandTransfer | OutputTransfer | ParameterTransfer, row: int, error: TileReadError
) -> None:
    """The error names a tile that the row would have gone to, and the elements that it would have brought."""
    if error.tile is not None:
        assert not isinstance(table, OutputTransfer)
        tiles = program.placements[table.consumer].tiles[:, table.table.target[row]]
        assert error.tile in tiles
        assert error.kernel == table.consumer
    assert [list(pair) for pair in error.box] == table.table.boxes[row].tolist()


class Changed(_Interpreter):
    """Interprets a fused net in which one shard of one copy of a kernel has a parameter of its own."""

    def __init__(
        self, program: Program, weights: Weights, load: ParameterTransfer, copy: int, shard: int, change: float
    ) -> None:
        super().__init__(program.net, weights)
        self.node, regions = program.nodes[load.consumer], program.regions[load.consumer]
        self.copy, self.position, self.change = copy, load.position, np.float32(change)
        self.box = regions[self.node.kernel.result.name][shard]
        self.read = regions[self.node.kernel.params[load.position].name][shard]

    def apply(self, apply: Apply) -> None:
        super().apply(apply)
        if apply != self.node.apply or self.node.replica_at(self.iteration) != self.copy:
            return
        operands = [self.operand(operand) for operand in apply.operands]
        at = len(apply.values) + self.position
        operands[at] = operands[at].copy()
        operands[at][slices(self.read)] += self.change
        name, place = apply.result.name, (slice(None), *slices(self.box))
        self.values[name] = self.values[name].copy()
        self.values[name][place] = apply.op.evaluate(*operands)[0][place]

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        self.values.update(inputs)
        self.statements(self.net.body)
        return self.outputs()


def slices(box: Array) -> tuple[slice, ...]:
    return tuple(slice(int(first), int(end)) for first, end in box)


@on_random_nets
@given(st.data())
def test_a_changed_weight_of_one_tile_changes_what_depends_on_it(data: st.DataObject) -> None:
    case = data.draw(cases())
    program = data.draw(programs(case.net))
    assume(program.loads)
    load = data.draw(st.sampled_from(program.loads))
    shard = int(data.draw(st.sampled_from(load.table.target)))
    copy = data.draw(st.integers(0, program.nodes[load.consumer].replicas - 1))

    tiles = Tiles(program, case.weights)
    before = run(tiles, case.inputs)
    tiles.at[load.consumer, copy].params[load.position].data[shard] += np.float32(0.5)
    after = run(tiles, case.inputs)

    plain = Changed(program, case.weights, load, copy, shard, 0).run(case.inputs)
    expected = Changed(program, case.weights, load, copy, shard, 0.5).run(case.inputs)
    for label, array in after.items():
        touched = expected[label] != plain[label]
        assert np.array_equal(array[~touched], before[label][~touched])
        assert difference(array, expected[label]) <= CLOSE
