"""Exits of a loop: what their heads cost one image alone, and in which iterations."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from itc.ir import IterationSet, Net, parse_net, print_net
from itc.ir.net import Loop
from itc_tile import compile_net
from itc_tile.machine.model import load_machine
from itc_tile.timing.alone import by_exits
from itc_tile.timing.timing import Timing, time_program

GC200 = load_machine("gc200")
COUNT = 64
TEXT = """
net @refined(%image: f32[3, 32, 32]) {{
  param @stem: f32[16, 3, 3, 3] {{role = weight, init = kaiming}}
  param @refine: f32[16, 16, 3, 3] {{role = weight, init = kaiming}}
  param @classify: f32[10, 16] {{role = weight, init = uniform}}
  %0 = conv(%image, @stem) {{stride = [2, 2], pad = [1, 1]}}: f32[16, 16, 16]
  {results} = loop %t in 1..64 carry (%x = %0) {{
    %1 = conv(%x, @refine) {{pad = [1, 1]}}: f32[16, 16, 16]
    %2 = relu(%1): f32[16, 16, 16]
    %3 = add(%x, %2): f32[16, 16, 16]
    {emit}
    yield %3
  }}: {types}
  {head}
  return %y {{name = y{at}}}
}}
"""
HEAD = "%pooled = global_pool({x}): f32[16]\n  {y} = linear(%pooled, @classify): f32[10]"


def timing_behind_the_loop() -> Timing:
    head = HEAD.format(x="%last", y="%y")
    text = TEXT.format(results="%last", emit="", types="f32[16, 16, 16]", head=head, at="")
    return time_program(compile_net(parse_net(text), GC200))


def timing_at(exits: Iterable[int]) -> Timing:
    return time_program(compile_net(net_at(IterationSet.of(exits)), GC200))


def net_at(exits: IterationSet) -> Net:
    emit = f"emit when %t in {exits} {{\n{HEAD.format(x='%3', y='%each')}\nyield %each\n}}"
    types = f"f32[16, 16, 16], {len(exits)} x f32[10]"
    return parse_net(TEXT.format(results="%last, %y", emit=emit, types=types, head="", at=f", at = {exits}"))


def test_an_exit_at_the_last_iteration_is_as_soon_as_a_head_behind_the_loop() -> None:
    behind = timing_behind_the_loop().outputs
    assert timing_at([COUNT]).outputs == {f"y@{COUNT}": behind["y"]} == {f"y@{COUNT}": 154_581}


def test_an_exit_takes_time_in_its_own_iteration_alone() -> None:
    """The first exit's result is sent to its head before the next iteration, none of the others waits."""
    last = timing_at([COUNT]).outputs[f"y@{COUNT}"]
    alone = timing_at([1, COUNT])
    sending = alone.transfer_latencies["global_pool"]
    assert alone.outputs == {"y@1": 5_019, f"y@{COUNT}": last + sending}


@pytest.mark.parametrize("exits", [[1, 2], [1, 3, 64], range(2, 65, 2), range(1, 65)])
def test_later_exits_wait_for_the_heads_of_earlier_ones(exits: Iterable[int]) -> None:
    """As many times a head is busy, or less: an image alone is never later than one in a stream."""
    timing = timing_at(exits)
    in_stream = timing.schedule.outputs()
    assert all(cycles <= in_stream[label] for label, cycles in timing.outputs.items())
    assert list(timing.outputs.values()) == sorted(timing.outputs.values())


def test_what_is_laid_out_does_not_grow_with_the_number_of_exits() -> None:
    """Iterations are laid out together where they have the same exits."""
    for exits in (range(2, 65, 2), [1, 64], range(1, 64)):
        (loop,) = (each for each in net_at(IterationSet.of(exits)).body if isinstance(each, Loop))
        with_exit, without = by_exits(loop, IterationSet.span(1, COUNT))
        assert with_exit == IterationSet.of(exits)
        assert without == IterationSet.of(set(range(1, COUNT + 1)) - set(exits))


def test_rare_exits_do_not_slow_a_stream() -> None:
    """The head receives in the first and the last iteration alone: cycles of an iteration do not grow with the loop."""
    cycles = []
    for count in (16, 1024):
        text = (
            print_net(net_at(IterationSet.of([1, COUNT])))
            .replace("1..64", f"1..{count}")
            .replace("{1, 64}", f"{{1, {count}}}")
        )
        cycles.append(time_program(compile_net(parse_net(text), GC200)).period / count)
    assert cycles[1] <= 1.02 * cycles[0]
