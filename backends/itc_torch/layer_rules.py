"""Lowerings of layers and reductions: convolutions, norms, pools, attention, regions."""

from __future__ import annotations

from collections.abc import Callable
from operator import add, getitem, mul
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom

from itc.ir import Op
from itc.ir.ops.activation import Prelu
from itc.ir.ops.conv import Conv
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.dynamic_conv import DynamicConv
from itc.ir.ops.lookup import Gather, GridSample, OneHot, Take
from itc.ir.ops.matmul import Attend, MatMul
from itc.ir.ops.norm import BatchNorm, GroupNorm, LayerNorm, RmsNorm, ScaleShift
from itc.ir.ops.pool import AdaptivePool, GlobalPool, Pool
from itc.ir.ops.position import Rope, Sinusoid
from itc.ir.ops.reduce import ArgMax, Change, Reduce, Softmax
from itc.ir.ops.region import Proposals, RoiAlign
from itc.ir.ops.resize import Resize
from itc.ir.ops.spatial import SpatialConv, SpatialPool
from itc.ir.ops.unpool import PoolIndices
from itc_torch import functions
from itc_torch.expressions import TRAINING, Expr, Ref, alike, axis_from_end, call, on_maps, pair, unless


def conv(op: Conv, x: Ref, weight: Ref, *bias: Ref) -> Expr:
    options = {
        "stride": unless(pair(op.stride), 1),
        "padding": unless(pair(op.pad), 0),
        "dilation": unless(pair(op.dilation), 1),
        "groups": unless(op.groups, 1),
    }
    return on_maps(x, lambda maps: call(F.conv2d, maps, weight, *bias, **options))


def spatial_conv(op: SpatialConv, x: Ref, weight: Ref, *bias: Ref) -> Expr:
    """torch wants the channels behind the batch, where they are second."""
    options = {
        "stride": unless(alike(op.stride), 1),
        "padding": unless(alike(op.pad), 0),
        "dilation": unless(alike(op.dilation), 1),
        "groups": unless(op.groups, 1),
    }
    target: Callable[..., Any] = F.conv1d if len(op.stride) == 1 else F.conv3d
    return call("transpose", call(target, call("transpose", x, 1, 2), weight, *bias, **options), 1, 2)


def spatial_pool(op: SpatialPool, x: Ref) -> Expr:
    targets: dict[tuple[int, bool], Callable[..., Any]] = {
        (1, False): F.max_pool1d,
        (1, True): F.avg_pool1d,
        (3, False): F.max_pool3d,
        (3, True): F.avg_pool3d,
    }
    stride, padding = unless(alike(op.stride), alike(op.kernel)), unless(alike(op.pad), 0)
    turned = call("transpose", x, 1, 2)
    pooled = call(targets[len(op.kernel), op.mean], turned, alike(op.kernel), stride=stride, padding=padding)
    return call("transpose", pooled, 1, 2)


def conv_transpose(op: ConvTranspose, x: Ref, weight: Ref, *bias: Ref) -> Expr:
    options = {
        "stride": unless(pair(op.stride), 1),
        "padding": unless(pair(op.pad), 0),
        "output_padding": unless(pair(op.output_pad), 0),
        "groups": unless(op.groups, 1),
        "dilation": unless(pair(op.dilation), 1),
    }
    return on_maps(x, lambda maps: call(F.conv_transpose2d, maps, weight, *bias, **options))


def batch_norm(op: BatchNorm, x: Ref, scale: Ref, shift: Ref, mean: Ref, var: Ref) -> Expr:
    momentum, eps = unless(op.momentum, 0.1), unless(op.eps, 1e-5)

    def normed(maps: Expr) -> Expr:
        return call(F.batch_norm, maps, mean, var, scale, shift, TRAINING, momentum=momentum, eps=eps)

    return channels_behind_batch(x, normed)


def scale_shift(_op: ScaleShift, x: Ref, *params: Ref) -> Expr:
    tokens = x.type.channel_axis == -1
    scale, shift = (param if tokens else call("view", param, -1, 1, 1) for param in params)
    return call(add, call(mul, x, scale), shift)


def channels_behind_batch(x: Ref, lowering: Callable[[Expr], Expr]) -> Expr:
    """Where torch wants the channels behind the batch: tokens are turned there and back, regions join the batch."""
    if len(x.type.shape) != 2:
        return on_maps(x, lowering)
    return call("transpose", lowering(call("transpose", x, 1, 2)), 1, 2)


def channels_last(x: Ref, lowering: Callable[[Expr], Expr]) -> Expr:
    """Where torch wants the channels last: maps are turned there and back."""
    if x.type.channel_axis == -1:
        return lowering(x)
    return call("movedim", lowering(call("movedim", x, -3, -1)), -1, -3)


def group_norm(op: GroupNorm, x: Ref, *params: Ref) -> Expr:
    eps = unless(op.eps, 1e-5)
    return on_maps(x, lambda maps: call(F.group_norm, maps, op.groups, *params, eps=eps))


def layer_norm(op: LayerNorm, x: Ref, *params: Ref) -> Expr:
    eps = unless(op.eps, 1e-5)
    return channels_last(x, lambda last: call(F.layer_norm, last, (x.type.channels,), *params, eps=eps))


def rms_norm(op: RmsNorm, x: Ref, *params: Ref) -> Expr:
    return channels_last(x, lambda last: call(F.rms_norm, last, (x.type.channels,), *params, eps=op.eps))


def prelu(_op: Prelu, x: Ref, slope: Ref) -> Expr:
    if slope.type.size == 1:
        return call(F.prelu, x, slope)
    return channels_behind_batch(x, lambda maps: call(F.prelu, maps, slope))


def pool(function: Callable[..., Any]) -> Callable[..., Expr]:
    def lowering(op: Pool, x: Ref, **more: Any) -> Expr:
        stride, padding = unless(pair(op.stride), pair(op.kernel)), unless(pair(op.pad), 0)
        options = {"stride": stride, "padding": padding, "ceil_mode": op.ceil or None, **more}
        return on_maps(x, lambda maps: call(function, maps, pair(op.kernel), **options))

    return lowering


def pool_indices(op: PoolIndices, x: Ref) -> Expr:
    stride, padding = unless(pair(op.stride), pair(op.kernel)), unless(pair(op.pad), 0)
    options = {"stride": stride, "padding": padding, "ceil_mode": op.ceil or None, "return_indices": True}
    return on_maps(x, lambda maps: call(getitem, call(F.max_pool2d, maps, pair(op.kernel), **options), 1))


def adaptive_pool(op: AdaptivePool, x: Ref) -> Expr:
    return on_maps(x, lambda maps: call(F.adaptive_avg_pool2d, maps, pair(op.size)))


def global_pool(_op: GlobalPool, x: Ref) -> Expr:
    return call("mean", x, (-2, -1))


def softmax(op: Softmax, x: Ref) -> Expr:
    return call(F.softmax, x, dim=axis_from_end(x, op.axis))


def argmax(op: ArgMax, x: Ref) -> Expr:
    return call("argmax", x, axis_from_end(x, op.axis))


def reduce(method: str) -> Callable[..., Expr]:
    def lowering(op: Reduce, x: Ref) -> Expr:
        axes = op.axes or tuple(range(1, 1 + len(x.type.shape)))
        return call(method, x, axes if len(axes) > 1 else axes[0], keepdim=op.keep or None)

    return lowering


def change(op: Change, a: Ref, b: Ref) -> Expr:
    return call(functions.relative_change, a, b, eps=unless(op.eps, 1e-12))


def resize(op: Resize, x: Ref, like: Ref | None = None) -> Expr:
    options: dict[str, Any] = {} if op.mode == "nearest" else {"mode": op.mode, "align_corners": op.align_corners}
    if all(op.size):
        options = {"size": op.size, **options}
    elif like is None:
        options = {"scale_factor": op.factor, **options}
    else:
        options = {"size": call(getitem, call(getattr, like, "shape"), slice(-2, None)), **options}
    return on_maps(x, lambda maps: call(F.interpolate, maps, **options))


def matmul(op: MatMul, a: Ref, b: Ref) -> Expr:
    left = call("transpose", a, -2, -1) if op.transpose_a else a
    right = call("transpose", b, -2, -1) if op.transpose_b else b
    return call("matmul", left, right)


def attend(op: Attend, *operands: Ref) -> Expr:
    if op.heads == 1 and len(operands) == 3:
        return call(F.scaled_dot_product_attention, *operands, is_causal=op.causal or None)
    return call(functions.attention, *operands, heads=op.heads, causal=op.causal or None)


def sinusoid(op: Sinusoid, x: Ref) -> Expr:
    return call(functions.sine_table, x, base=unless(op.base, 10000.0))


def rope(op: Rope, x: Ref) -> Expr:
    options = {"heads": unless(op.heads, 1), "base": unless(op.base, 10000.0)}
    return call(functions.rotary, x, **options, interleaved=op.interleaved or None)


def own_function(target: Callable[..., Any]) -> Callable[..., Expr]:
    """A function of this package that takes the operation's attributes by their names."""

    def lowering(op: Op, *operands: Ref) -> Expr:
        return call(target, *operands, **op.attributes())

    return lowering


def gather(op: Gather, x: Ref, indices: Ref) -> Expr:
    places = indices if indices.type.dtype == "i64" else call("long", indices)
    return call(torch.gather, x, axis_from_end(x, op.axis), places)


def one_hot(op: OneHot, ids: Ref) -> Expr:
    places = ids if ids.type.dtype == "i64" else call("long", ids)
    return call("float", call(F.one_hot, places, op.count))


def grid_sample(op: GridSample, x: Ref, grid: Ref) -> Expr:
    options = {"mode": unless(op.mode, "bilinear"), "padding_mode": unless(op.padding, "zeros")}
    return call(F.grid_sample, x, grid, align_corners=op.align_corners, **options)


def take(op: Take, x: Ref, indices: Ref) -> Expr:
    return call(functions.take_parts, x, indices, op.axis)


dynamic_conv: Callable[[DynamicConv, Ref, Ref], Expr] = own_function(functions.convolve_samples)
roi_align: Callable[[RoiAlign, Ref, Ref], Expr] = own_function(functions.align_regions)
proposals: Callable[[Proposals, Ref, Ref, Ref], Expr] = own_function(functions.propose_regions)
