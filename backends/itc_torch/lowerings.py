"""The one table from an operation of the IR to torch functions; sizes are those at run time, never the net's."""

from __future__ import annotations

from collections.abc import Callable
from operator import add, mul, sub, truediv
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom

from itc.diagnostics import CompileError, Diagnostic, Label
from itc.extensions import load_extensions
from itc.ir import OPS, Op
from itc.ir.net import Apply, Net, walk
from itc.ir.ops.activation import Abs, Cos, Exp, Gelu, Log, Prelu, Silu, Sin, Sqrt
from itc.ir.ops.cast import Cast
from itc.ir.ops.comparison import Compare, Maximum, Minimum, Where
from itc.ir.ops.conv import Conv, Linear
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.dynamic_conv import DynamicConv
from itc.ir.ops.lookup import Gather, GridSample, OneHot, Take
from itc.ir.ops.matmul import Attend, MatMul
from itc.ir.ops.norm import BatchNorm, GroupNorm, LayerNorm, RmsNorm, ScaleShift
from itc.ir.ops.part import Pad, Select, Slice
from itc.ir.ops.pointwise import (
    Add,
    Affine,
    Detach,
    Div,
    Dropout,
    Mul,
    Relu,
    Relu6,
    Sigmoid,
    Sub,
    Tanh,
)  # fmt: skip
from itc.ir.ops.pool import AdaptivePool, AvgPool, GlobalPool, MaxPool
from itc.ir.ops.position import Rope, Sinusoid
from itc.ir.ops.rearrange import Broadcast, ChannelShuffle, PixelShuffle, Reshape, Transpose
from itc.ir.ops.rectifier import Clamp, Elu, Hardswish, LeakyRelu, Softplus, SquaredRelu
from itc.ir.ops.reduce import ArgMax, Change, ReduceMax, ReduceMean, ReduceSum, Softmax
from itc.ir.ops.region import Proposals, RoiAlign
from itc.ir.ops.resize import Resize
from itc.ir.ops.shape import Concat, Fill, Stack
from itc.ir.ops.spatial import SpatialConv, SpatialPool
from itc.ir.ops.table import Embed, Parameter
from itc.ir.ops.unpool import MaxUnpool, PoolIndices
from itc_torch import functions
from itc_torch import layer_rules as layers
from itc_torch import pointwise_rules as pointwise
from itc_torch import shape_rules as shapes
from itc_torch.expressions import Expr, Ref, call
from itc_torch.precision import computed_wide

Lowering = Callable[..., Expr]
#: Entry points whose modules register the operations of other distributions when they are loaded.
GROUP = "itc.torch_ops"


def register(op: type[Op], lowering: Lowering) -> None:
    """Adds the lowering of an operation; there is one for each. Emitted modules contain functions of torch alone."""
    assert op not in LOWERINGS, op
    LOWERINGS[op] = lowering


def check_operations(net: Net) -> None:
    """Raises CompileError (E0522) for all operations without a lowering."""
    missing = [each for each in walk(net.body) if isinstance(each, Apply) and type(each.op) not in LOWERINGS]
    if missing:
        load_extensions(GROUP)
    missing = [apply for apply in missing if type(apply.op) not in LOWERINGS]
    made = {apply.op.name: _fault(apply) for apply in reversed(missing) if apply.op.name not in OPS}  # one for a pass
    faults = dict.fromkeys([*made.values(), *(_fault(apply) for apply in missing if apply.op.name in OPS)])
    if faults:
        raise CompileError(tuple(faults))


def _fault(apply: Apply) -> Diagnostic:
    label = Label(apply.span) if apply.span else None
    help = f"register a lowering of `{type(apply.op).__name__}`, in a module under the entry points `{GROUP}`"
    if apply.op.name not in OPS:
        help = "leave out the pass that makes it; `fuse`, for example, is for the tile machine alone"
    return Diagnostic("E0522", f"torch has no lowering of the operation `{apply.op.name}`", label, help=help)


def lower_op(op: Op, operands: tuple[Ref, ...]) -> Expr:
    """The expression of `op` over its operands, in the order of the IR; `check_operations` found its lowering."""
    return computed_wide(op, operands, LOWERINGS[type(op)])


def function(target: Callable[..., Any] | str) -> Lowering:
    """An operation that is one torch function (or method) of its operands."""
    return lambda _op, *operands: call(target, *operands)


LOWERINGS: dict[type[Op], Lowering] = {
    Abs: function(torch.abs),
    AdaptivePool: layers.adaptive_pool,
    Add: function(add),
    Affine: pointwise.affine,
    ArgMax: layers.argmax,
    Attend: layers.attend,
    AvgPool: layers.pool(F.avg_pool2d),
    BatchNorm: layers.batch_norm,
    ScaleShift: layers.scale_shift,
    Broadcast: shapes.broadcast,
    Cast: pointwise.cast,
    Change: layers.change,
    ChannelShuffle: shapes.channel_shuffle,
    Clamp: pointwise.clamp,
    Compare: pointwise.compare,
    Concat: shapes.concat,
    Conv: layers.conv,
    ConvTranspose: layers.conv_transpose,
    Cos: function(torch.cos),
    Detach: function("detach"),
    Div: function(truediv),
    Dropout: pointwise.dropout,
    DynamicConv: layers.dynamic_conv,
    Elu: pointwise.elu,
    Embed: function(F.embedding),
    Exp: function(torch.exp),
    Fill: shapes.fill,
    Gather: layers.gather,
    Gelu: pointwise.gelu,
    GlobalPool: layers.global_pool,
    GridSample: layers.grid_sample,
    GroupNorm: layers.group_norm,
    Hardswish: function(F.hardswish),
    LayerNorm: layers.layer_norm,
    LeakyRelu: pointwise.leaky_relu,
    Linear: function(F.linear),
    Log: function(torch.log),
    MatMul: layers.matmul,
    MaxPool: layers.pool(F.max_pool2d),
    MaxUnpool: function(functions.put_back),
    Maximum: function(torch.maximum),
    Minimum: function(torch.minimum),
    Mul: function(mul),
    OneHot: layers.one_hot,
    Pad: shapes.pad,
    Parameter: shapes.parameter,
    PixelShuffle: shapes.pixel_shuffle,
    PoolIndices: layers.pool_indices,
    Prelu: layers.prelu,
    Proposals: layers.proposals,
    ReduceMax: layers.reduce("amax"),
    ReduceMean: layers.reduce("mean"),
    ReduceSum: layers.reduce("sum"),
    Relu: function(F.relu),
    Relu6: function(F.relu6),
    Reshape: shapes.reshape,
    Resize: layers.resize,
    RmsNorm: layers.rms_norm,
    RoiAlign: layers.roi_align,
    Rope: layers.rope,
    Select: shapes.select,
    Sigmoid: function(torch.sigmoid),
    Silu: function(F.silu),
    Sin: function(torch.sin),
    Sinusoid: layers.sinusoid,
    Slice: shapes.part,
    Softmax: layers.softmax,
    Softplus: function(F.softplus),
    SpatialConv: layers.spatial_conv,
    SpatialPool: layers.spatial_pool,
    Sqrt: function(torch.sqrt),
    SquaredRelu: pointwise.squared_relu,
    Stack: shapes.stack,
    Sub: function(sub),
    Take: layers.take,
    Tanh: function(torch.tanh),
    Transpose: shapes.transpose,
    Where: pointwise.where,
}
