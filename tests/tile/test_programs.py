"""Programs as a contract: exact text and back, files, and a verifier each of whose rules some program alone breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from itc.diagnostics import CompileError
from itc.ir import Net, parse_net
from itc.ir.net import Apply, Loop
from itc_tile import load_machine, simulate
from itc_tile.compiler import compile_net
from itc_tile.machine.model import Machine
from itc_tile.program.arrays import WrongArray, array_text, read_array
from itc_tile.program.file import load_program, save_program
from itc_tile.program.footprint import allocated
from itc_tile.program.parse import parse_program
from itc_tile.program.program import OUT, Pipeline, Program
from itc_tile.program.steps import ExchangeStep, is_exchange
from itc_tile.program.text import print_program
from itc_tile.program.verify import verify
from itc_tile.timing.timing import time_program
from tests.random_nets import nets, random_inputs, random_weights
from tests.tile.hand_itnet import small_itnet
from tests.tile.machines import compiled, machines
from tests.zoo.reduced import first_networks, networks, reduced

RANDOM = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(scope="module")
def program() -> Program:
    return compile_net(small_itnet(4, shared=True), load_machine("edge-64"))


# Text


def check_round_trip(program: Program) -> Program:
    """The program that is read back is equal, part by part, and verified."""
    text = print_program(program)
    again = parse_program(text)
    assert again == program and print_program(again) == text
    return again


def test_the_text_of_a_small_itnet(program: Program) -> None:
    again = check_round_trip(program)
    assert time_program(again).outputs == time_program(program).outputs
    assert time_program(again).period == time_program(program).period
    weights, inputs = random_weights(program.net, 0), random_inputs(program.net, 1)
    found, expected = simulate(again, inputs, weights), simulate(program, inputs, weights)
    assert all(np.array_equal(found[label], expected[label]) for label in expected)


@RANDOM
@given(nets(), machines())
def test_texts_of_random_programs(net: Net, machine: Machine) -> None:
    check_round_trip(verify(compiled(net, machine)))


@pytest.mark.long
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(nets(), machines())
def test_texts_of_many_random_programs(net: Net, machine: Machine) -> None:
    check_round_trip(verify(compiled(net, machine)))


@pytest.mark.long
@pytest.mark.parametrize(("path", "name"), networks(), ids=[name for _, name in networks()])
def test_texts_of_the_zoo(path: Path, name: str) -> None:
    """Every network of the examples that the machine takes."""
    try:
        program = compile_net(reduced(path, name).ir, load_machine("gc200"))
    except CompileError as error:
        assert {diagnostic.code for diagnostic in error.diagnostics} <= {"E0510", "E0511", "E0512", "E0514"}
        return
    check_round_trip(verify(program))


def test_the_text_does_not_grow_with_the_iterations() -> None:
    short, long = (compile_net(small_itnet(n, shared=True), load_machine("edge-64")) for n in (4, 12))
    assert len(print_program(long)) < 1.1 * len(print_program(short))


@given(st.lists(st.integers(-5, 5)), st.lists(st.integers(1, 4), min_size=1, max_size=1))
def test_arrays(numbers: list[int], times: list[int]) -> None:
    array = np.repeat(np.array(numbers, np.int64), times[0])
    assert np.array_equal(read_array(array_text(array)), array)


@pytest.mark.parametrize("text", ["x", "1*", "5..1", "1*0", "0*99999999", "1..9999999999", "9" * 20])
def test_wrong_arrays(text: str) -> None:
    with pytest.raises(WrongArray):
        read_array(text)


# Files


def test_files(program: Program, tmp_path: Path) -> None:
    path = tmp_path / "itnet.itcp"
    save_program(path, program)
    assert load_program(path) == program


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda data: data[: len(data) // 2], "E0552"),
        (lambda data: data.replace(b"tiles", b"tales", 1), "E0552"),
        (lambda data: b"PK" + data, "E0551"),
        (lambda data: data.replace(b"itc-program 1", b"itc-program 99", 1), "E0551"),
        (lambda data: data[:40] + b"\xff\xfe" + data[40:], "E0551"),
        (lambda _data: b"", "E0551"),
    ],
)
def test_files_that_are_cut_or_edited(
    program: Program, tmp_path: Path, change: Callable[[bytes], bytes], code: str
) -> None:
    path = tmp_path / "itnet.itcp"
    save_program(path, program)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(CompileError) as raised:
        load_program(path)
    assert [diagnostic.code for diagnostic in raised.value.diagnostics] == [code]


WORDS = ["0", "-1", "7*9", "99999999", "%x", '"a"', "{", "3..1"]


def mutated(text: str, random: Random) -> str:
    """A text with a word exchanged, left out or put in twice, a line moved, or a character changed."""
    lines = text.split("\n")
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(lines))
        words = lines[at].split(" ")
        match random.randrange(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(random.randrange(len(lines)), lines[at])
            case 2:
                words[random.randrange(len(words))] = random.choice(
                    ["0", "-1", "7*9", "99999999", "%x", '"a"', "{", "3..1"]
                )
                lines[at] = " ".join(words)
            case 3:
                del words[random.randrange(len(words))]
                lines[at] = " ".join(words)
            case _:
                cut = random.randrange(len(lines[at]) + 1)
                lines[at] = lines[at][:cut] + chr(random.randrange(32, 127)) + lines[at][cut + 1 :]
        if not lines:
            lines = [""]
    return "\n".join(lines)


LOOP = """
net @loop(%image: f32[3, 6, 6]) {
  param @c.weight: f32[3, 3, 3, 3] {role = weight, init = kaiming}
  param @h.weight: 2 x f32[2, 3, 1, 1] {role = weight, init = kaiming}
  %last, %exits = loop %t in 1..4 carry (%x = %image) {
    %0 = conv(%x, @c.weight) {pad = [1, 1]}: f32[3, 6, 6]
    %1 = add(%x, %0): f32[3, 6, 6]
    emit when %t in {2, 4} {
      %2 = conv(%1, @h.weight[%t in {2, 4}]): f32[2, 6, 6]
      yield %2
    }
    yield %1
  }: f32[3, 6, 6], 2 x f32[2, 6, 6]
  return %last {name = last}
  return %exits {name = head, at = {2, 4}}
}
"""


def check_mutations(count: int) -> None:
    """Wrong texts end in coded diagnostics; texts that stay right are verified programs."""
    machine = load_machine("edge-16").model_copy(update={"tiles": 6, "grid": (2, 3)})
    text = print_program(compile_net(parse_net(LOOP), machine))
    random, refused = Random(0), 0
    for _ in range(count):
        try:
            parse_program(mutated(text, random))
        except CompileError as error:
            refused += 1
            assert all(diagnostic.code.startswith(("E01", "E05")) for diagnostic in error.diagnostics)
    assert refused > 0.8 * count


def test_wrong_texts() -> None:
    check_mutations(60)


@pytest.mark.long
def test_many_wrong_texts() -> None:
    check_mutations(2000)


# Rules of the verifier: a program for each that it alone rejects


def codes(program: Program) -> set[str]:
    try:
        verify(program)
    except CompileError as error:
        return {diagnostic.code for diagnostic in error.diagnostics}
    return set()


def test_every_transfer_is_needed(program: Program) -> None:
    """A program without any one row of any transfer is rejected."""
    assert codes(program) == set()
    for field, code in (("edges", "E0541"), ("exits", "E0547"), ("loads", "E0548")):
        transfers = getattr(program, field)
        for at, transfer in enumerate(transfers):
            row = len(transfer.table) // 2
            less = replace(transfer, table=transfer.table.without(row))
            assert codes(replace(program, **{field: (*transfers[:at], less, *transfers[at + 1 :])})) == {code}


def test_every_transfer_table_is_needed(program: Program) -> None:
    for field, code in (("edges", "E0541"), ("exits", "E0547"), ("loads", "E0548")):
        transfers = getattr(program, field)
        for at in range(len(transfers)):
            assert code in codes(replace(program, **{field: transfers[:at] + transfers[at + 1 :]}))


def test_every_exchange_step_is_needed(program: Program) -> None:
    top = [at for at, step in enumerate(program.steps) if is_exchange(step)]
    for at in top:
        assert codes(replace(program, steps=program.steps[:at] + program.steps[at + 1 :])) == {"E0544"}


def test_steps_in_another_order(program: Program) -> None:
    """An exchange before the value is there."""
    first = next(at for at, step in enumerate(program.steps) if isinstance(step, Apply) and not is_exchange(step))
    exchange = program.steps[first + 1]
    assert is_exchange(exchange)
    swapped = (*program.steps[:first], exchange, program.steps[first], *program.steps[first + 2 :])
    assert codes(replace(program, steps=swapped)) == {"E0544"}


def test_a_row_that_is_written_twice(program: Program) -> None:
    edge = program.edges[0]
    table, rows = edge.table, np.array([*range(len(edge.table)), 0])
    twice = replace(table, source=table.source[rows], target=table.target[rows], region=table.region.take(rows))
    assert codes(replace(program, edges=(replace(edge, table=twice), *program.edges[1:]))) >= {"E0542"}


def test_a_row_from_a_shard_that_has_not_its_elements(program: Program) -> None:
    at, edge = next(
        (at, edge)
        for at, edge in enumerate(program.edges)
        if edge.producer in program.nodes and len(np.unique(edge.table.source)) > 1
    )
    source = edge.table.source.copy()
    other = int(np.flatnonzero(source != source[0])[0])
    source[[0, other]] = source[[other, 0]]
    wrong = replace(edge, table=replace(edge.table, source=source))
    assert codes(replace(program, edges=(*program.edges[:at], wrong, *program.edges[at + 1 :]))) == {"E0543"}


def test_a_tile_that_is_overfull(program: Program) -> None:
    fullest = max(int((buffer.address + buffer.bytes).max()) for buffer in program.buffers)
    tile = program.machine.tile.model_copy(update={"memory": fullest - 1})
    small = program.machine.model_copy(update={"tile": tile})
    assert codes(replace(program, machine=small)) == {"E0545", "E0546"}
    depths = {**program.pipeline.depths} if program.pipeline else {}
    label = next(iter(program.nodes))
    deeper = replace(program, pipeline=Pipeline(1_000_000, depths | {(label, OUT): 10_000}))
    assert codes(deeper) == {"E0545"}


def test_buffers_that_overlap(program: Program) -> None:
    first, second, *rest = program.buffers
    assert first.kernel == second.kernel
    moved = replace(second, address=second.address - 1)
    assert codes(replace(program, buffers=(first, moved, *rest))) == {"E0546"}


def test_a_buffer_that_is_left_out(program: Program) -> None:
    assert codes(replace(program, buffers=program.buffers[1:])) == {"E0545"}


def test_tiles_that_two_shards_share(program: Program) -> None:
    label, placement = next(iter(program.placements.items()))
    tiles = placement.tiles.copy()
    tiles.reshape(-1)[0] = next(iter(reversed(program.placements.values()))).tiles.reshape(-1)[-1]
    other = {**program.placements, label: replace(placement, tiles=tiles)}
    assert codes(replace(program, placements=other)) == {"E0540"}


def test_a_period_of_no_cycles(program: Program) -> None:
    assert program.pipeline is not None
    assert codes(replace(program, pipeline=replace(program.pipeline, period=0))) == {"E0549"}


def test_a_program_before_its_buffers(program: Program) -> None:
    """Under construction there are neither buffers nor a pipeline; both can be added again."""
    bare = replace(program, buffers=(), pipeline=None)
    assert codes(bare) == set()
    assert allocated(bare, program.pipeline) == program


def test_exchanges_stand_behind_definitions(program: Program) -> None:
    loop = next(step for step in program.steps if isinstance(step, Loop))
    first = loop.body.statements[0]
    assert isinstance(first, Apply) and isinstance(first.op, ExchangeStep)
    assert first.values[0] in {carry.inner for carry in loop.carries}


def test_the_first_networks_are_verified() -> None:
    path, name = next((path, name) for path, name in first_networks() if path.stem == "itnet")
    verify(compile_net(reduced(path, name).ir, load_machine("gc200")))
