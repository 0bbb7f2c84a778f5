"""Costs of looped nets, which take time by the program's size, against the same counted iteration by iteration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given

from itc.analysis.cost import cost
from itc.analysis.reach import Reached, reached
from itc.ir import Emit, Loop, Net, Output, parse_net, verify
from tests.ir import unrolled_costs as brute
from tests.random_nets import nets, on_random_nets


@on_random_nets
@given(nets())
def test_totals_are_those_of_all_iterations(net: Net) -> None:
    found, walk = cost(net), brute.Walk(net).run()
    assert found.macs == brute.macs(net, walk.events)
    assert found.graph_bytes == brute.graph_bytes(net, walk.events)
    assert found.params == brute.params(net, walk.events)


@on_random_nets
@given(nets())
def test_latency_is_the_longest_path_through_all_iterations(net: Net) -> None:
    depths = brute.Walk(net).run().depths
    assert {output.label: output.latency for output in cost(net).outputs} == brute.latencies(net, depths)


@on_random_nets
@given(nets())
def test_an_output_costs_what_runs_until_it_is_there(net: Net) -> None:
    found = {output.label: output for output in cost(net).outputs}
    for output in net.outputs:
        for label, exit in zip(output.labels, output.at or (None,), strict=True):
            events = _until(net, output, exit)
            assert found[label].macs == brute.macs(net, events)
            assert found[label].graph_bytes == brute.graph_bytes(net, events)
            assert found[label].params == brute.params(net, events)


def _until(net: Net, output: Output, exit: int | None) -> list[brute.Event]:
    """What runs up to an output: the statements down to the one that gives it, in a loop down to the exit's emit."""
    makers = (s for s in net.body if not isinstance(s, Emit) and output.value in s.results)
    maker = next(makers, None)
    if maker is None:
        return []
    before = Net(net.name, net.inputs, net.params, net.body[: net.body.index(maker) + 1], ())
    stop = _emit(maker, output, exit) if isinstance(maker, Loop) and exit is not None else None
    return brute.Walk(before, stop).run().events


def _emit(loop: Loop, output: Output, exit: int) -> tuple[Loop, int, int]:
    """A loop, the iteration and the emit of its body that give an output."""
    ((position, emit),) = (
        (position, emit) for position, (emit, series) in enumerate(loop.collected) if output.value in series
    )
    assert output.at is not None
    return loop, emit.iterations.numbers[output.at.rank(exit)], position


def test_each_element_of_a_series_has_its_own_depth() -> None:
    """y_t is t convolutions deep, and h_t = conv(h + y_t): the longest path is n + 1, not 2 n."""
    net = parse_net(WALKED)
    verify(net)
    assert [output.latency for output in cost(net).outputs] == [7, 7]
    assert brute.latencies(net, brute.Walk(net).run().depths) == {"flat": 7, "nested": 7}


WALKED = """
net @walked(%image: f32[2, 4, 4]) {
  param @a: f32[2, 2, 1, 1] {role = weight, init = kaiming}
  %last, %ys = loop %t in 1..6 carry (%s = %image) {
    %y = conv(%s, @a): f32[2, 4, 4]
    emit when %t in {1..6} {
      yield %y
    }
    yield %y
  }: f32[2, 4, 4], 6 x f32[2, 4, 4]
  %flat = loop %u in 1..6 each (%e = %ys) carry (%h = %image) {
    %1 = add(%h, %e): f32[2, 4, 4]
    %2 = conv(%1, @a): f32[2, 4, 4]
    yield %2
  }: f32[2, 4, 4]
  %nested = loop %v in 1..1 carry (%k = %image) {
    %3 = loop %w in 1..6 each (%f = %ys) carry (%g = %k) {
      %4 = add(%g, %f): f32[2, 4, 4]
      %5 = conv(%4, @a): f32[2, 4, 4]
      yield %5
    }: f32[2, 4, 4]
    yield %3
  }: f32[2, 4, 4]
  return %flat {name = flat}
  return %nested {name = nested}
}
"""


def test_a_set_counts_once_from_the_first_of_its_readers_on() -> None:
    """Of 3 x 4 sets several operations read some, in iterations of which none has all; one reads a set before."""
    net = parse_net(READ)
    verify(net)
    found = cost(net)
    for output, exit in zip(found.outputs, (1, 2, 5, 8), strict=True):
        events = _until(net, net.outputs[0], exit)
        assert output.params == brute.params(net, events)
        assert output.graph_bytes == brute.graph_bytes(net, events)
        assert output.macs == brute.macs(net, events)
    assert len({output.params for output in found.outputs}) == 4


READ = """
net @read(%image: f32[1, 2, 2]) {
  param @w: 3 x 4 x f32[1, 1, 1, 1] {role = weight, init = zeros}
  param @v: f32[1, 1, 1, 1] {role = weight, init = zeros}
  %0 = conv(%image, @w[1, 3]): f32[1, 2, 2]
  %c, %s = loop %t in 1..8 carry (%a = %0) {
    %d = when %t in {2, 3, 7} {
      %1 = loop %u in 1..4 carry (%b = %a) {
        %e = when %u in {1, 2} {
          %2 = conv(%b, @w[%t/3, %u]): f32[1, 2, 2]
          yield %2
        } else {
          %3 = conv(%b, @v): f32[1, 2, 2]
          yield %3
        }: f32[1, 2, 2]
        yield %e
      }: f32[1, 2, 2]
      yield %1
    } else {
      %4 = loop %q in 1..4 carry (%f = %a) {
        %g = when %q in {2, 4} {
          %5 = conv(%f, @w[%t/3, %q]): f32[1, 2, 2]
          yield %5
        } else {
          yield %f
        }: f32[1, 2, 2]
        yield %g
      }: f32[1, 2, 2]
      yield %4
    }: f32[1, 2, 2]
    emit when %t in {1, 2, 5, 8} {
      %6 = conv(%d, @w[%t/3 in {1, 2, 5, 8}, 0]): f32[1, 2, 2]
      yield %6
    }
    yield %d
  }: f32[1, 2, 2], 4 x f32[1, 2, 2]
  return %s {name = s, at = {1, 2, 5, 8}}
}
"""


def test_many_outputs_are_counted_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    count, counted = 500, 0

    def counting(*arguments: object, **named: object) -> Iterator[Reached]:
        nonlocal counted
        for run in reached(*arguments, **named):  # type: ignore[arg-type]
            counted += 1
            yield run

    monkeypatch.setattr("itc.analysis.program_points.reached", counting)
    applies = "\n".join(f"%{n} = relu(%x): f32[4]" for n in range(count))
    outputs = "\n".join(f"return %{n} {{name = y{n}}}" for n in range(count))
    assert len(cost(parse_net(f"net @wide(%x: f32[4]) {{\n{applies}\n{outputs}\n}}")).outputs) == count
    assert counted <= 3 * count


def test_a_loop_that_halts_and_carries_nothing() -> None:
    """How long it ran is known behind the score's convolution."""
    found = cost(
        verify(
            parse_net("""
net @score(%x: f32[3, 4, 4]) {
  param @w: f32[1, 3, 1, 1] {role = weight, init = zeros}
  %n = loop %t in 1..4 carry () {
    %0 = conv(%x, @w): f32[1, 4, 4]
    %1 = global_pool(%0): f32[1]
    halt above %1 {limit = 0.5, ponder = 0.0}
    yield
  }: f32[1]
  return %n {name = y}
}""")
        )
    )
    assert (found.macs, found.latency) == (4 * 48, 1)


def test_a_transposed_convolution_is_a_node() -> None:
    """Its 12 weights, 12 input and 16 output elements of four bytes, and one layer of the path."""
    found = cost(
        verify(
            parse_net("""
net @up(%x: f32[3, 2, 2]) {
  param @w: f32[3, 1, 2, 2] {role = weight, init = zeros}
  %0 = conv_transpose(%x, @w) {stride = [2, 2]}: f32[1, 4, 4]
  return %0 {name = y}
}""")
        )
    )
    assert (found.graph_bytes, found.latency, found.macs) == (4 * (12 + 12 + 16), 1, 48)
    assert [(output.graph_bytes, output.latency) for output in found.outputs] == [(160, 1)]


def test_what_stands_behind_an_emit_is_not_before_it() -> None:
    """Three convolutions of 16 MACs an iteration, an exit behind each of the first two, whose heads have 16 as well."""
    found = {output.label: output for output in cost(verify(parse_net(BETWEEN))).outputs}
    macs = {"early@1": 2, "late@1": 4, "early@3": 5 + 5 + 2, "late@3": 5 + 5 + 4}
    assert {label: found[label].macs // 16 for label in macs} == macs
    params = {"early@1": 2, "late@1": 3, "early@3": 6, "late@3": 6}
    assert {label: found[label].params for label in params} == params


BETWEEN = """
net @between(%x: f32[1, 4, 4]) {
  param @a: 3 x f32[1, 1, 1, 1] {role = weight, init = zeros}
  param @b: f32[1, 1, 1, 1] {role = weight, init = zeros}
  param @head: f32[1, 1, 1, 1] {role = weight, init = zeros}
  param @last: f32[1, 1, 1, 1] {role = weight, init = zeros}
  %r, %early, %late = loop %t in 1..3 carry (%s = %x) {
    %0 = conv(%s, @a[%t]): f32[1, 4, 4]
    emit when %t in {1..3} {
      %1 = conv(%0, @head): f32[1, 4, 4]
      yield %1
    }
    %2 = conv(%0, @b): f32[1, 4, 4]
    emit when %t in {1..3} {
      %3 = conv(%2, @head): f32[1, 4, 4]
      yield %3
    }
    %4 = conv(%2, @last): f32[1, 4, 4]
    yield %4
  }: f32[1, 4, 4], 3 x f32[1, 4, 4], 3 x f32[1, 4, 4]
  return %early {name = early, at = {1..3}}
  return %late {name = late, at = {1..3}}
}
"""
