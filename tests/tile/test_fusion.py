"""Which operations share a kernel, where copies are added, and that neither changes a value."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given

from itc.analysis.cost import cost
from itc.diagnostics import CompileError
from itc.interpreter import interpret
from itc.ir import Net, applies, parse_net, verify
from itc.transforms.unroll import Unroll
from itc_tile.kernels.fusion import fuse
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.kernel import Kernel
from tests.random_nets import Case, cases, difference, on_random_nets
from tests.tile.hand_itnet import small_itnet

NORM = "  param @{0}.s: f32[4] {{role = scale, init = ones}}\n  param @{0}.b: f32[4] {{role = shift, init = zeros}}\n"
NORM += "  param @{0}.m: f32[4] {{role = mean, init = zeros}}\n  param @{0}.v: f32[4] {{role = var, init = ones}}\n"
CONV = "  param @{0}.w: f32[4, 4, 3, 3] {{role = weight, init = kaiming}}\n"


def parse(body: str, convs: str = "", norms: str = "") -> Net:
    """A net of maps f32[4, 8, 8] with parameters for each letter in `convs` and `norms`."""
    params = "".join(CONV.format(name) for name in convs) + "".join(NORM.format(name) for name in norms)
    text = body.replace("CONV", "{pad = [1, 1]}: f32[4, 8, 8]").replace("MAP", ": f32[4, 8, 8]")
    return verify(parse_net(f"net @n(%x: f32[4, 8, 8]) {{\n{params}{text}\n}}\n"))


def kernels(net: Net) -> dict[str, list[str]]:
    return {label: [a.op.name for a in node.kernel.body] for label, node in KernelGraph(fuse(net)).instances.items()}


@on_random_nets
@given(cases())
def test_fused_nets_are_equal(case: Case) -> None:
    fused = verify(fuse(case.net))
    found = interpret(fused, case.inputs, case.weights)
    assert all(difference(found[label], case.outputs[label]) < 1e-6 for label in case.outputs)
    before, after = cost(case.net), cost(fused)
    assert (before.macs, before.params) == (after.macs, after.params)
    # A kernel stands where its last operation did: a bare output may no longer have an operation of others before it.
    assert all(new.macs <= old.macs for new, old in zip(after.outputs, before.outputs, strict=True))
    labels = Counter(node.label for node in KernelGraph(fused).instances.values())
    assert max(labels.values()) == 1
    assert all(isinstance(apply.op, Kernel) for apply in applies(fused.body) if apply in reached(fused))


def reached(net: Net) -> list[object]:
    return [node.apply for node in KernelGraph(net).instances.values()]


def test_what_follows_a_convolution_joins_it() -> None:
    net = parse(
        """
  %1 = conv(%x, @a.w) CONV
  %2 = batch_norm(%1, @n.s, @n.b, @n.m, @n.v) MAP
  %3 = add(%2, %x) MAP
  %4 = relu(%3) MAP
  return %4 {name = y}""",
        "a",
        "n",
    )
    assert kernels(net) == {"a": ["conv", "batch_norm", "add", "relu"]}
    (node,) = KernelGraph(fuse(net)).instances.values()
    assert [value.name for value in node.apply.values] == ["x"]


def test_what_others_read_ends_a_kernel() -> None:
    net = parse(
        """
  %1 = conv(%x, @a.w) CONV
  %2 = relu(%1) MAP
  %3 = sigmoid(%1) MAP
  %4 = add(%2, %3) MAP
  return %4 {name = y}""",
        "a",
    )
    assert kernels(net) == {"a": ["conv"], "relu": ["relu", "sigmoid", "add"]}


def test_copies_and_arithmetic_in_front_join_their_reader() -> None:
    net = parse(
        """
  %1 = conv(%x, @a.w) CONV
  %2 = max_pool(%x) {kernel = [3, 3], stride = [1, 1], pad = [1, 1]}: f32[4, 8, 8]
  %3 = add(%1, %2) MAP
  %4 = sub(%x, %3) MAP
  %5 = relu(%4) MAP
  %6 = conv(%5, @b.w) CONV
  return %6 {name = y}""",
        "ab",
    )
    assert kernels(net) == {"max_pool": ["max_pool"], "a": ["conv", "add", "sub", "relu"], "b": ["conv"]}
    net = parse(
        """
  %1 = resize(%x) {factor = 2}: f32[4, 16, 16]
  %2 = relu(%1): f32[4, 16, 16]
  %3 = conv(%2, @a.w) {stride = [2, 2], pad = [1, 1]}: f32[4, 8, 8]
  return %3 {name = y}""",
        "a",
    )
    assert kernels(net) == {"a": ["resize", "relu", "conv"]}


def test_a_pool_of_single_places_is_a_copy() -> None:
    net = parse(
        """
  %1 = max_pool(%x) {kernel = [1, 1], stride = [1, 1]}: f32[4, 8, 8]
  %2 = conv(%1, @a.w) CONV
  return %2 {name = y}""",
        "a",
    )
    assert kernels(net) == {"a": ["max_pool", "conv"]}


def test_copies_go_to_every_reader_and_arithmetic_to_none_of_several() -> None:
    shared = """
  %1 = affine(%x) {factor = 2.0}: f32[4, 8, 8]
  %2 = resize(%1) {factor = 1}: f32[4, 8, 8]
  %3 = conv(%2, @a.w) CONV
  %4 = conv(%2, @b.w) CONV
  return %3 {name = y}
  return %4 {name = z}"""
    assert kernels(parse(shared, "ab")) == {"affine": ["affine"], "a": ["resize", "conv"], "b": ["resize", "conv"]}


def test_a_head_keeps_its_resize_only_where_it_leaves_the_net() -> None:
    head = """
  %1 = conv(%x, @a.w) CONV
  %2 = resize(%1) {mode = bilinear, factor = 2}: f32[4, 16, 16]
  """
    net = parse(head + "return %2 {name = y}", "a")
    assert kernels(net) == {"a": ["conv", "resize"]}
    (node,) = KernelGraph(fuse(net)).instances.values()
    assert [apply.op.name for apply in node.kernel.epilogue] == ["resize"]
    assert node.kernel.anchor is node.kernel.body[0]
    more = head + "%3 = global_pool(%2): f32[4]\n  return %2 {name = y}\n  return %3 {name = z}"
    assert kernels(parse(more, "a")) == {"a": ["conv"], "resize": ["resize"], "global_pool": ["global_pool"]}


LOOPS = """
  %y, %heads = loop %t in 1..4 carry (%s = %x) {
    %1 = when %t in {2..4} {
      %2 = conv(%s, @a.w) CONV
      yield %2
    } else {
      yield %s
    } MAP
    %3 = relu(%1) MAP
    emit when %t in {1, 4} {
      %4 = conv(%3, @b.w) CONV
      %5 = resize(%4) {mode = bilinear, factor = 2}: f32[4, 16, 16]
      yield %5
    }
    yield %3
  }: f32[4, 8, 8], 2 x f32[4, 16, 16]
  return %heads {name = head, at = {1, 4}}
  return %x {name = same}"""


def test_nothing_crosses_a_body_and_what_passes_through_is_copied() -> None:
    found = kernels(parse(LOOPS, "ab"))
    assert found == {"a": ["conv"], "copy": [], "relu": ["relu"], "b": ["conv", "resize"], "copy_2": []}


ROTATION = """
  %p, %q = loop %t in 1..3 carry (%a = %x, %b = %x) {
    %1 = conv(%a, @a.w) CONV
    %2 = tanh(%1) MAP
    yield %b, %2
  }: f32[4, 8, 8], f32[4, 8, 8]
  return %p {name = y}"""


def test_a_carry_that_becomes_another_is_copied() -> None:
    assert kernels(parse(ROTATION, "a")) == {"a": ["conv", "tanh"], "copy": []}


NESTED = """
  %p = loop %t in 1..3 carry (%a = %x) {
    BEFORE
    %r = loop %u in 1..2 carry (%c = %a) {
      %2 = conv(%c, @a.w) CONV
      %3 = tanh(%2) MAP
      yield %3
    }: f32[4, 8, 8]
    AFTER
    yield %1
  }: f32[4, 8, 8]
  return %p {name = y}"""
MAKER = "%1 = conv(%a, @b.w) CONV"


def test_a_carry_that_starts_a_later_loop_is_copied_if_its_maker_has_run() -> None:
    late = NESTED.replace("BEFORE", "").replace("AFTER", "%1 = add(%r, %a) MAP")
    assert "copy" not in kernels(parse(late, "a"))
    early = NESTED.replace("BEFORE", MAKER).replace("AFTER", "")
    assert "copy" in kernels(parse(early, "ab"))


def test_a_loop_that_halts_is_refused() -> None:
    text = """net @n(%x: f32[4]) {
  param @w: f32[1, 4] {role = weight, init = uniform}
  %y, %n = loop %t in 1..4 carry (%s = %x) {
    %1 = tanh(%s): f32[4]
    %2 = linear(%1, @w): f32[1]
    halt above %2 {limit = 0.5, ponder = 0.0}
    yield %1
  }: f32[4], f32[1]
  return %y {name = y}
}
"""
    with pytest.raises(CompileError, match=r"E0514.*early"):
        fuse(verify(parse_net(text, "halting.ir")))


@on_random_nets
@given(cases())
def test_kernels_stay_kernels_behind_other_passes(case: Case) -> None:
    once = Unroll()(fuse(case.net)).net
    twice = verify(fuse(once))
    assert list(KernelGraph(twice).instances) == list(KernelGraph(fuse(twice)).instances)
    assert len(KernelGraph(twice).instances) == sum(1 for _ in applies(once.body))
    found = interpret(twice, case.inputs, case.weights)
    assert all(difference(found[label], case.outputs[label]) < 1e-6 for label in case.outputs)


def test_series_as_carries_are_refused() -> None:
    text = """net @n(%x: f32[4]) {
  %a, %s = loop %t in 1..2 carry (%c = %x) {
    %1 = relu(%c): f32[4]
    emit when %t in {1, 2} {
      yield %1
    }
    yield %1
  }: f32[4], 2 x f32[4]
  %b, %r = loop %u in 1..2 carry (%d = %a, %k = %s) {
    %2 = tanh(%d): f32[4]
    yield %2, %k
  }: f32[4], 2 x f32[4]
  return %b {name = y}
}
"""
    with pytest.raises(CompileError, match=r"E0512.*series"):
        fuse(verify(parse_net(text)))


def test_labels_are_layers_and_operations() -> None:
    found = KernelGraph(fuse(small_itnet())).instances
    assert {"stem_1", "max_pool", "mix_1", "copy", "copy_2", "expand_1", "depthwise_1", "project_1"} <= set(found)


def test_statements_do_not_grow_with_the_iterations() -> None:
    texts = [kernels(small_itnet(iterations)) for iterations in (4, 64)]
    assert texts[0] == texts[1]
