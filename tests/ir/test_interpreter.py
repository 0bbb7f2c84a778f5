"""What loops, regions, series and sets mean, on numbers that can be followed by hand."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from itc.interpreter import interpret
from itc.ir import Net, parse_net, verify
from itc.ir.op import Array
from tests.random_nets import Limits, nets, on_random_nets, random_inputs, random_weights

HEAD = "net @n(%x: f32[1], %y: f32[1]) {\n"


def run(body: str, weights: dict[str, Array] | None = None) -> dict[str, list[float]]:
    """The outputs for x = 1 and y = 10."""
    net = verify(parse_net(HEAD + body + "}"))
    inputs = {"x": np.array([[1.0]], np.float32), "y": np.array([[10.0]], np.float32)}
    return {label: array.ravel().tolist() for label, array in interpret(net, inputs, weights or {}).items()}


def test_carries_change_at_once() -> None:
    swap = """
      %c, %d = loop %t in 1..3 carry (%a = %x, %b = %y) {
        yield %b, %a
      }: f32[1], f32[1]
      return %c {name = c}
      return %d {name = d}
    """
    assert run(swap) == {"c": [10], "d": [1]}


def test_an_emit_sees_the_values_of_its_iteration() -> None:
    powers = """
      %c, %s = loop %t in 1..4 carry (%a = %x) {
        %1 = affine(%a) {factor = 2.0}: f32[1]
        emit when %t in {1, 3, 4} {
          %2 = add(%1, %y): f32[1]
          yield %2
        }
        yield %1
      }: f32[1], 3 x f32[1]
      return %s {name = s, at = {1, 3, 4}}
      return %c {name = c}
    """
    assert run(powers) == {"s@1": [12], "s@3": [18], "s@4": [26], "c": [16]}


def test_regions_choose_by_iteration() -> None:
    choose = """
      %c = loop %t in 1..4 carry (%a = %x) {
        %r = when %t in {2, 3} {
          %1 = affine(%a) {factor = 2.0}: f32[1]
          yield %1
        } else {
          %2 = affine(%a) {offset = 1.0}: f32[1]
          yield %2
        }: f32[1]
        yield %r
      }: f32[1]
      return %c {name = c}
    """
    assert run(choose) == {"c": [((1 + 1) * 2 * 2) + 1]}


def test_each_walks_a_series_and_inner_loops_start_anew() -> None:
    walk = """
      %c, %s = loop %t in 1..3 carry (%a = %x) {
        %1 = affine(%a) {offset = 1.0}: f32[1]
        emit when %t in {1..3} {
          yield %1
        }
        yield %1
      }: f32[1], 3 x f32[1]
      %d = loop %u in 1..3 each (%e = %s) carry (%b = %y) {
        %f = loop %v in 1..2 carry (%g = %b) {
          %2 = add(%g, %e): f32[1]
          yield %2
        }: f32[1]
        yield %f
      }: f32[1]
      return %d {name = d}
    """
    assert run(walk) == {"d": [10 + 2 * (2 + 3 + 4)]}


def test_sets_go_by_groups_of_the_iterations_that_reach_them() -> None:
    sets = """
      param @w: 2 x 3 x f32[1, 1] {role = weight, init = zeros}
      %c, %s = loop %t in 1..4 carry (%a = %x) {
        %f = loop %u in 1..3 carry (%b = %x) {
          %1 = linear(%x, @w[%t/2, %u]): f32[1]
          %2 = affine(%b) {factor = 10.0}: f32[1]
          %3 = add(%1, %2): f32[1]
          yield %3
        }: f32[1]
        emit when %t in {1..4} {
          yield %f
        }
        yield %f
      }: f32[1], 4 x f32[1]
      return %s {name = s, at = {1..4}}
    """
    weights = {"w": np.arange(1, 7, dtype=np.float32).reshape(2, 3, 1, 1)}
    assert run(sets, weights) == {"s@1": [1123], "s@2": [1123], "s@3": [1456], "s@4": [1456]}


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 3))
def test_an_unrolled_loop_is_its_body_repeated(count: int, every: int) -> None:
    sets = -(-count // every)
    loop = f"""
      param @w: {sets} x f32[1, 1] {{role = weight, init = zeros}}
      %c = loop %t in 1..{count} carry (%a = %x) {{
        %1 = linear(%a, @w[%t/{every}]): f32[1]
        yield %1
      }}: f32[1]
      return %c {{name = c}}
    """.replace("/1]", "]")
    weights = np.arange(2, 2 + sets, dtype=np.float32)
    expected = np.prod([weights[t // every] for t in range(count)])
    assert run(loop, {"w": weights.reshape(-1, 1, 1)}) == {"c": [expected]}


@settings(on_random_nets, max_examples=10)
@given(nets(Limits(halting=True)))
def test_values_stay_in_the_precision_of_their_inputs(net: Net) -> None:
    for precision in (np.float32, np.float64):
        inputs = {name: array.astype(precision) for name, array in random_inputs(net).items()}
        weights = {key: array.astype(precision) for key, array in random_weights(net).items()}
        outputs = interpret(net, inputs, weights)
        floats = {array.dtype for array in outputs.values() if np.issubdtype(array.dtype, np.floating)}
        assert floats <= {np.dtype(precision)}
