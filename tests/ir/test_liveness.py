"""Peak memory of straight-line nets against a count of the buffers that are held at each operation."""

from __future__ import annotations

import tracemalloc

from hypothesis import given

from itc.analysis.liveness import peak_bytes
from itc.ir import Apply, Net, Value, parse_net
from tests.random_nets import Limits, nets, on_random_nets

STRAIGHT = Limits(depth=0, statements=8)


def held(net: Net, at: int) -> int:
    """Bytes while statement `at` runs: its operands, its result and what is read later; at first all inputs."""
    applies = [s for s in net.body if isinstance(s, Apply)]
    outputs = {output.value.name for output in net.outputs}
    made = {v.name: n for n, s in enumerate(applies) for v in s.results} | {v.name: -1 for v in net.inputs}
    reads = {name: [n for n, s in enumerate(applies) if name in elements(s)] for name in made}
    sizes = {v.name: v.type.bytes for s in applies for v in s.results} | {v.name: v.type.bytes for v in net.inputs}
    return sum(
        sizes[name]
        for name in made
        if made[name] <= at and (name in outputs or any(n >= at for n in reads[name]) or (at == 0 and made[name] < 0))
    )


def elements(apply: Apply) -> set[str]:
    """Values of which the operation reads more than the shape."""
    shapes = apply.op.shape_only
    return {o.name for i, o in enumerate(apply.operands) if isinstance(o, Value) and i not in shapes}


@on_random_nets
@given(nets(STRAIGHT))
def test_peak_of_straight_code(net: Net) -> None:
    assert all(isinstance(s, Apply) for s in net.body)
    inputs = sum(v.type.bytes for v in net.inputs)
    assert peak_bytes(net) == max([inputs, *(held(net, at) for at in range(len(net.body)))])


def test_a_loop_holds_its_carries_and_what_it_reads() -> None:
    """Carry 256 bytes, the image that each iteration reads 128, and a result of 512 beside both."""
    net = parse_net("""
    net @n(%image: f32[2, 4, 4]) {
      param @a: f32[4, 2, 1, 1] {role = weight, init = kaiming}
      param @b: f32[8, 4, 1, 1] {role = weight, init = kaiming}
      param @c: f32[4, 8, 1, 1] {role = weight, init = kaiming}
      %0 = conv(%image, @a): f32[4, 4, 4]
      %r = loop %t in 1..9 carry (%s = %0) {
        %1 = conv(%s, @b): f32[8, 4, 4]
        %2 = conv(%1, @c): f32[4, 4, 4]
        %3 = conv(%image, @a): f32[4, 4, 4]
        %4 = add(%2, %3): f32[4, 4, 4]
        yield %4
      }: f32[4, 4, 4]
      return %r {name = r}
    }""")
    assert peak_bytes(net) == 128 + 256 + 512


def test_memory_grows_with_the_program_and_not_with_its_square() -> None:
    count = 5_000
    lines = [f"  %{i} = relu(%{i - 1}): f32[4]" for i in range(1, count)]
    net = parse_net("\n".join(["net @long(%0: f32[4]) {", *lines, f"  return %{count - 1} {{name = y}}", "}"]))
    tracemalloc.start()
    assert peak_bytes(net) == 2 * 16
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < count * 2_000
