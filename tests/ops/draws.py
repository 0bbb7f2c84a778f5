"""For each operation a strategy that draws it with attributes, operands of fitting types and values for them.

The language's layer functions make the operations wherever they can, so that what is tested is what a spec says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from itc.ir import LAYERS, Layer, TensorType
from itc.ir.op import Array
from itc.ir.ops.matmul import Attend
from itc.ir.ops.quantization import FromInt8, ToInt8
from itc.ir.ops.shape import Fill
from itc.ir.types import NUMPY_NAMES
from tests.ops.drawn import BATCH, Drawn, Values, drawn
from tests.ops.elementwise_draws import ELEMENTWISE


def _conv(v: Values) -> Drawn:
    groups = v.pick(1, 1, 2, 3)
    x = v.map(groups * v.number(1, 2), least=3)
    options = {"stride": v.pair(1, 3), "dilation": v.pair(1, 2), "bias": v.chance(), "groups": groups}
    if v.chance():
        kernel, options["pad"] = v.pick((1, 1), (3, 3), (1, 3), (5, 1)), "same"
    else:
        kernel, options["pad"] = v.pair(1, 2), v.pair(0, 2)
    return drawn(v, LAYERS["conv"](x, groups * v.number(1, 3), kernel, **options), [x])


def _dynamic_conv(v: Values) -> Drawn:
    groups = v.pick(1, 1, 2)
    x = TensorType("f32", (groups * v.number(1, 2), *v.pair(3, 7)))
    weight = TensorType("f32", (groups * v.number(1, 2), x.channels // groups, *v.pair(1, 3)))
    options = {"stride": v.pair(1, 2), "dilation": v.pair(1, 2), "pad": v.pair(1, 2), "groups": groups}
    computed = LAYERS["convolve"](x, weight, **options).computed
    assert computed
    return drawn(v, Layer(computed), [x, weight])


def _sequence(v: Values, axes: int, channels: int) -> TensorType:
    """Tokens or a volume."""
    sizes = [v.number(3, 6) for _ in range(axes)]
    return TensorType("f32", (sizes[0], channels, *sizes[1:]))


def _spatial_conv(v: Values) -> Drawn:
    axes, groups = v.pick(1, 3), v.pick(1, 1, 2)
    x = _sequence(v, axes, groups * v.number(1, 2))
    options = {"dilation": v.number(1, 2), "bias": v.chance(), "groups": groups}
    options |= {"stride": v.number(1, 2), "pad": v.pick("same", 1)}
    kernel = v.pick(1, 3)
    if axes == 3 and v.chance():
        kernel, options["stride"] = v.pick((1, 3, 1), (3, 1, 1)), (1, 2, 1)
    return drawn(v, LAYERS[f"conv{axes}d"](x, groups * v.number(1, 2), kernel, **options), [x])


def _spatial_pool(v: Values) -> Drawn:
    axes = v.pick(1, 3)
    x = _sequence(v, axes, v.number(1, 3))
    name = v.pick(f"max_pool{axes}d", f"avg_pool{axes}d")
    kernel = v.number(1, 3)
    return drawn(v, LAYERS[name](x, kernel, stride=v.pick(None, 1, 2), pad=v.number(0, kernel // 2)), [x])


def _conv_transpose(v: Values) -> Drawn:
    groups = v.pick(1, 1, 2, 3)
    x, kernel = v.map(groups * v.number(1, 2)), v.pair(1, 4)
    stride, dilation = v.pair(1, 3), v.pair(1, 2)
    options: dict[str, Any] = {"stride": stride, "dilation": dilation, "bias": v.chance(), "groups": groups}
    even = any(s == d == 1 and k % 2 == 0 for k, s, d in zip(kernel, stride, dilation, strict=True))
    if even or v.chance():
        options["output_pad"] = tuple(v.number(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True))
        options["pad"] = tuple(
            v.number(0, ((n - 1) * s + d * (k - 1) + o) // 2)
            for n, s, d, k, o in zip(x.shape[-2:], stride, dilation, kernel, options["output_pad"], strict=True)
        )
    return drawn(v, LAYERS["conv_transpose"](x, groups * v.number(1, 3), kernel, **options), [x])


def _linear(v: Values) -> Drawn:
    x = v.pick(v.tokens, v.vector)()
    return drawn(v, LAYERS["linear"](x, v.number(1, 5), bias=v.chance()), [x])


def _window(v: Values) -> tuple[TensorType, dict[str, Any]]:
    x = v.map(least=2)
    kernel = tuple(v.number(1, min(3, size)) for size in x.shape[-2:])
    pad = tuple(v.number(0, k // 2) for k in kernel)
    return x, {"kernel": kernel, "stride": v.pick(None, v.pair(1, 3)), "pad": pad, "ceil": v.chance()}


def _pool(name: str) -> Callable[[Values], Drawn]:
    def make(v: Values) -> Drawn:
        x, options = _window(v)
        return drawn(v, LAYERS[name](x, **options), [x])

    return make


def _max_unpool(v: Values) -> Drawn:
    """Of windows that overlap at times, so that several elements have one place."""
    x, options = _window(v)
    layer = LAYERS["pool_indices"](x, **options)
    (indices,) = layer.op.evaluate(v.normal((BATCH, *x.shape)))
    pooled = x.with_shape(indices.shape[1:])
    like = x.with_shape((v.number(1, 3), *x.shape[-2:]))
    types = [pooled, TensorType("i64", pooled.shape), like]
    return drawn(v, LAYERS["max_unpool"](*types[:2], like=like), types, v.normal((BATCH, *pooled.shape)), indices)


def _adaptive_pool(v: Values) -> Drawn:
    x = v.map()
    return drawn(v, LAYERS["adaptive_pool"](x, v.pair(1, 7)), [x])


def _global_pool(v: Values) -> Drawn:
    x = v.map()
    return drawn(v, LAYERS["global_pool"](x), [x])


def _resize(v: Values) -> Drawn:
    x, mode = v.map(), v.pick("nearest", "bilinear", "bicubic")
    options = {"mode": mode, "align_corners": mode != "nearest" and v.chance()}
    if v.chance():
        least = min(x.shape[-2:])
        factor = v.pick(*(f for f in (1, 2, 3, 0.5, 1 / 3, 1.5, 0.7, 1.1) if int(f * least) >= 1))
        return drawn(v, LAYERS["resize"](x, factor, **options), [x])
    like = v.map()
    return drawn(v, LAYERS["resize"](x, like=like, **options), [x, like])


def _axis(v: Values, x: TensorType) -> int | None:
    return v.pick(None, *range(-len(x.shape), len(x.shape)))


def _softmax(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["softmax"](x, axis=_axis(v, x)), [x])


def _reduce(name: str) -> Callable[[Values], Drawn]:
    def make(v: Values) -> Drawn:
        x = v.any()
        rank = len(x.shape)
        some = v.draw(st.lists(st.integers(0, rank - 1), min_size=1, unique=True).map(tuple))
        axes = v.pick(None, v.number(-rank, rank - 1), some)
        return drawn(v, LAYERS[name](x, axes, keep=v.chance()), [x])

    return make


def _argmax(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["argmax"](x, axis=_axis(v, x)), [x])


def _concat(v: Values) -> Drawn:
    first = v.any()
    at = v.number(0, len(first.shape) - 1) if v.chance() else len(first.shape) + first.channel_axis
    sizes = [v.number(1, 4) for _ in range(v.number(1, 3))]
    types = [first.with_shape((*first.shape[:at], size, *first.shape[at + 1 :])) for size in sizes]
    return drawn(v, LAYERS["concat"](*types, axis=at), types)


def _stack(v: Values) -> Drawn:
    types = [v.any()] * v.number(1, 3)
    rank = len(types[0].shape)
    return drawn(v, LAYERS["stack"](*types, axis=v.number(-rank - 1, rank)), types)


def _fill(v: Values) -> Drawn:
    return drawn(v, Layer(Fill(v.number(1, 3), v.pick(0.0, 1.0, 0.5))), [v.any()])


def _slice(v: Values) -> Drawn:
    x = v.any()
    axis = _axis(v, x)
    size = x.channels if axis is None else x.shape[axis]
    start = v.number(0, size - 1)
    stop = v.pick(None, v.number(start + 1, size))
    start = v.pick(start, start - size)
    return drawn(v, LAYERS["slice"](x, start, stop, axis=axis, step=v.number(1, 3)), [x])


def _index(v: Values) -> Drawn:
    x = v.any()
    axis = v.number(0, len(x.shape) - 1)
    return drawn(v, LAYERS["index"](x, v.number(-x.shape[axis], x.shape[axis] - 1), axis=axis), [x])


def _pad(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["pad"](x, *v.pair(0, 3), axis=_axis(v, x), value=v.pick(0.0, -1.5)), [x])


def _reshape(v: Values) -> Drawn:
    x = v.any()
    shape = v.draw(st.permutations(x.shape))
    if v.chance():
        shape[v.number(0, len(shape) - 1)] = -1
    return drawn(v, LAYERS["reshape"](x, tuple(shape)), [x])


def _transpose(v: Values) -> Drawn:
    x = v.pick(v.map, v.tokens)()
    axes = v.pick(None, tuple(v.draw(st.permutations(range(len(x.shape))))))
    return drawn(v, LAYERS["transpose"](x, axes), [x])


def _broadcast(v: Values) -> Drawn:
    like = v.any()
    if len(like.shape) >= 3 and v.chance():
        x = v.vector(like.channels)
    else:
        shape = tuple(v.pick(1, size) for size in like.shape)
        x = like.with_shape(shape[v.number(0, len(shape) - 1) :])
        x = like.with_shape(shape) if len(x.shape) == 1 and len(shape) >= 3 else x
    return drawn(v, LAYERS["broadcast"](x, like=like), [x, like])


def _channel_shuffle(v: Values) -> Drawn:
    groups = v.number(1, 3)
    x = v.map(groups * v.number(1, 3))
    return drawn(v, LAYERS["channel_shuffle"](x, groups), [x])


SCALE = TensorType("f32", (1,))


def _quantize(v: Values) -> Drawn:
    x = v.any()
    arrays = (3 * v.normal((BATCH, *x.shape)), v.positive((1,)) / 40)
    return Drawn(ToInt8(), (x, SCALE), arrays, 1)


def _dequantize(v: Values) -> Drawn:
    """An i8, or sums with the scales of the weights and perhaps a bias."""
    x, sums = v.any(), v.chance()
    kind, most = ("i32", 9999) if sums else ("i8", 127)
    q = v.rng.integers(-most, most, (BATCH, *x.shape), endpoint=True).astype("int32" if sums else "int8")
    axis = v.pick(0, -1) if sums else 0
    channels = TensorType("f32", (x.shape[axis or x.channel_axis],))
    params = (SCALE, *(channels,) * (v.number(1, 2) if sums else 0))
    arrays = (q, *(v.positive(type.shape) for type in params))
    return Drawn(FromInt8(axis), (x.with_dtype(kind), *params), arrays, 1)


def _pixel_shuffle(v: Values) -> Drawn:
    factor = v.number(1, 3)
    x = v.map(factor**2 * v.number(1, 2))
    return drawn(v, LAYERS["pixel_shuffle"](x, factor), [x])


def _ids(v: Values, shape: Sequence[int], count: int) -> tuple[TensorType, Array]:
    """Ids from 0 to `count` - 1."""
    dtype = v.pick("i64", "i32")
    return TensorType(dtype, tuple(shape)), v.rng.integers(0, count, (BATCH, *shape)).astype(NUMPY_NAMES[dtype])


def _gather(v: Values) -> Drawn:
    x, axis = v.any(), None
    at = len(x.shape) + x.channel_axis
    if v.chance():
        at = axis = v.number(0, len(x.shape) - 1)
    ids, values = _ids(v, (*x.shape[:at], v.number(1, 4), *x.shape[at + 1 :]), x.shape[at])
    return drawn(v, LAYERS["gather"](x, ids, axis=axis), [x, ids], v.normal((BATCH, *x.shape)), values)


def _take(v: Values) -> Drawn:
    x = v.any()
    axis = v.number(0, len(x.shape) - 1)
    ids, values = _ids(v, v.pick((), (4,), (2, 3)), x.shape[axis])
    return drawn(v, LAYERS["take"](x, ids, axis=axis), [x, ids], v.normal((BATCH, *x.shape)), values)


def _one_hot(v: Values) -> Drawn:
    count = v.number(1, 5)
    ids, values = _ids(v, v.pick((), (4,), (2, 3)), count)
    return drawn(v, LAYERS["one_hot"](ids, count), [ids], values)


def _grid_sample(v: Values) -> Drawn:
    """Points inside and outside the map."""
    x, grid = TensorType("f32", (v.number(1, 3), *v.pair(1, 6))), TensorType("f32", (*v.pair(1, 4), 2))
    mode, padding = v.pick("bilinear", "nearest"), v.pick("zeros", "border")
    layer = LAYERS["grid_sample"](x, grid, mode=mode, padding=padding, align_corners=v.chance())
    points = v.rng.uniform(-1.5, 1.5, (BATCH, *grid.shape)).astype(np.float32)
    return drawn(v, layer, [x, grid], v.normal((BATCH, *x.shape)), points)


def _cast(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["cast"](x, v.pick("f32", "i64", "i32", "bool")), [x], 4 * v.normal((BATCH, *x.shape)))


def _change(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["change"](x, x), [x, x])


def _matmul(v: Values) -> Drawn:
    leading, (rows, inner), columns = v.pick((), (2,), (2, 3)), v.pair(1, 5), v.number(1, 5)
    a, b = v.chance(), v.chance()
    left = TensorType("f32", (*leading, *((inner, rows) if a else (rows, inner))))
    right = TensorType("f32", (*leading, *((columns, inner) if b else (inner, columns))))
    return drawn(v, LAYERS["matmul"](left, right, transpose_a=a, transpose_b=b), [left, right])


def _attend(v: Values) -> Drawn:
    heads, causal, leading = v.number(1, 3), v.chance(), v.pick((), (2,))
    width, value_width = heads * v.number(1, 3), heads * v.number(1, 3)
    tokens, others = v.pair(1, 6)
    others = tokens if causal else others
    types = [
        TensorType("f32", (*leading, *sizes)) for sizes in ((tokens, width), (others, width), (others, value_width))
    ]
    if leading or v.chance():
        return drawn(v, Layer(Attend(heads, causal)), types)
    mask = TensorType("bool", v.pick((others,), (tokens, others)))
    arrays = [v.normal((BATCH, *type.shape)) for type in types]
    return drawn(v, Layer(Attend(heads, causal)), [*types, mask], *arrays, v.normal((BATCH, *mask.shape)) > -0.5)


def _sinusoid(v: Values) -> Drawn:
    x = v.tokens(2 * v.number(1, 4))
    return drawn(v, LAYERS["sinusoid"](x, base=v.pick(10000.0, 100.0)), [x])


def _rope(v: Values) -> Drawn:
    heads = v.number(1, 3)
    x = v.tokens(2 * heads * v.number(1, 4))
    return drawn(v, LAYERS["rope"](x, heads, base=v.pick(10000.0, 100.0), interleaved=v.chance()), [x])


def _embed(v: Values) -> Drawn:
    count = v.number(1, 9)
    ids = TensorType(v.pick("i64", "i32"), v.pick((), (4,), (2, 3)))
    values = v.rng.integers(0, count, (BATCH, *ids.shape)).astype("int64" if ids.dtype == "i64" else "int32")
    return drawn(v, LAYERS["embed"](ids, count, v.number(1, 5)), [ids], values)


def _parameter(v: Values) -> Drawn:
    return drawn(v, LAYERS["param"](v.pick((), (3,), (2, 3))), [v.any()])


def _roi_align(v: Values) -> Drawn:
    x = TensorType("f32", (v.number(1, 3), v.number(2, 9), v.number(2, 9)))
    boxes = TensorType("f32", (v.number(1, 4), 4))
    corners = v.rng.uniform(-10, 90, (BATCH, boxes.shape[0], 2, 2)).astype(np.float32)
    options = {"scale": 0.125, "sampling": v.number(1, 3), "aligned": v.chance()}
    layer = LAYERS["roi_align"](x, boxes, v.pair(1, 4), **options)
    return drawn(v, layer, [x, boxes], v.normal((BATCH, *x.shape)), np.sort(corners, -2).reshape(BATCH, -1, 4))


def _proposals(v: Values) -> Drawn:
    """Scores of few different values, so that there are ties."""
    sizes, ratios = v.pick((16,), (16, 32)), v.pick((1,), (0.5, 2))
    anchors, (height, width) = len(sizes) * len(ratios), v.pair(1, 5)
    scores, deltas = (TensorType("f32", (n * anchors, height, width)) for n in (1, 4))
    image = TensorType("f32", (3, 8 * height, 8 * width))
    options = {"count": v.number(1, 12), "candidates": v.pick(5, 1000), "overlap": v.pick(0.3, 0.7), "least": 4}
    layer = LAYERS["proposals"](scores, deltas, like=image, stride=8, sizes=sizes, ratios=ratios, **options)
    ranks = v.rng.integers(0, 6, (BATCH, *scores.shape)).astype(np.float32)
    return drawn(v, layer, [scores, deltas, image], ranks, 0.3 * v.normal((BATCH, *deltas.shape)))


DRAWS: dict[str, Callable[[Values], Drawn]] = {
    **ELEMENTWISE,
    **{name: _reduce(name) for name in ("reduce_mean", "reduce_max", "reduce_sum")},
    **{name: _pool(name) for name in ("max_pool", "avg_pool", "pool_indices")},
    "conv": _conv, "conv_transpose": _conv_transpose, "linear": _linear, "embed": _embed,
    "max_unpool": _max_unpool, "adaptive_pool": _adaptive_pool, "global_pool": _global_pool, "resize": _resize,
    "softmax": _softmax, "argmax": _argmax, "change": _change, "concat": _concat, "stack": _stack, "fill": _fill,
    "slice": _slice, "index": _index, "pad": _pad, "reshape": _reshape, "transpose": _transpose,
    "broadcast": _broadcast, "channel_shuffle": _channel_shuffle, "cast": _cast, "matmul": _matmul,
    "quantize": _quantize, "dequantize": _dequantize,
    "attend": _attend, "sinusoid": _sinusoid, "rope": _rope, "parameter": _parameter, "roi_align": _roi_align,
    "proposals": _proposals, "dynamic_conv": _dynamic_conv, "spatial_conv": _spatial_conv,
    "spatial_pool": _spatial_pool, "pixel_shuffle": _pixel_shuffle, "gather": _gather, "take": _take,
    "one_hot": _one_hot, "grid_sample": _grid_sample,
}  # fmt: skip


def operations(name: str) -> st.SearchStrategy[Drawn]:
    """Random uses of the operation of that name."""
    return st.composite(lambda draw: DRAWS[name](Values(draw)))()
