"""Draws of element-wise operations: activations, arithmetic, comparisons and normalisations."""

from __future__ import annotations

from collections.abc import Callable

from itc.ir import LAYERS, Layer, Op, TensorType
from itc.ir.ops.comparison import RELATIONS, Compare, Maximum, Minimum
from itc.ir.ops.pointwise import Add, Affine, Div, Mul, Sub
from itc.ir.types import NUMPY_NAMES
from tests.ops.drawn import BATCH, Drawn, Values, drawn


def _unary(name: str, positive: bool = False, argument: float | None = None) -> Callable[[Values], Drawn]:
    def make(v: Values) -> Drawn:
        x = v.any()
        given = () if argument is None or v.chance() else (argument,)
        return drawn(v, LAYERS[name](x, *given), [x], positive=positive)

    return make


def _gelu(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["gelu"](x, approximate=v.pick(None, "tanh")), [x])


def _clamp(v: Values) -> Drawn:
    x = v.any()
    layer = v.pick(LAYERS["clamp"](x, -0.5, 0.25), LAYERS["maximum"](0.0, x), LAYERS["minimum"](x, 0.5))
    return drawn(v, layer, [x])


def _compare(v: Values) -> Drawn:
    """Of whole numbers from 0 to 2, so that many are equal; floats, integers, and booleans, which have no order."""
    dtype = v.pick("f32", "i64", "bool")
    x = TensorType(dtype, v.any().shape)
    relation = v.pick(*(r for r in RELATIONS if dtype != "bool" or r in ("eq", "ne")))
    types = [x] * v.number(1, 2)
    arrays = [v.rng.integers(0, 3, (BATCH, *x.shape)).astype(NUMPY_NAMES[dtype]) for _ in types]
    return drawn(v, Layer(Compare(relation, 1.0 if len(types) == 1 else 0.0)), types, *arrays)


def _where(v: Values) -> Drawn:
    x = v.any()
    mask = TensorType("bool", x.shape)
    then, otherwise = v.pick((x, x), (x, -1.5), (0.5, x))
    types = [mask, *(side for side in (then, otherwise) if side is x)]
    return drawn(v, LAYERS["where"](mask, then, otherwise), types, v.normal((BATCH, *x.shape)) > 0)


def _affine(v: Values) -> Drawn:
    return drawn(v, Layer(Affine(v.pick(1.0, -0.5, 2.0), v.pick(0.0, 1.5))), [v.any()])


def _binary(op: Op, positive: bool = False) -> Callable[[Values], Drawn]:
    return lambda v: drawn(v, Layer(op), [v.any()] * 2, positive=positive)


def _dropout(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["dropout"](x, v.pick(0.0, 0.3), channels=len(x.shape) == 3 and v.chance()), [x])


def _prelu(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["prelu"](x, channels=v.chance()), [x])


def _batch_norm(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["batch_norm"](x, eps=v.pick(1e-5, 1e-3)), [x])


def _scale_shift(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["scale_shift"](x), [x])


def _group_norm(v: Values) -> Drawn:
    groups = v.number(1, 3)
    x = v.pick(v.map, v.vector)(groups * v.number(2, 3))
    return drawn(v, LAYERS["group_norm"](x, groups, affine=v.chance(), eps=v.pick(1e-5, 1e-3)), [x])


def _layer_norm(v: Values) -> Drawn:
    x = v.pick(v.map, v.tokens, v.vector)(v.number(2, 6))
    return drawn(v, LAYERS["layer_norm"](x, affine=v.chance(), bias=v.chance(), eps=v.pick(1e-5, 1e-3)), [x])


def _rms_norm(v: Values) -> Drawn:
    x = v.any()
    return drawn(v, LAYERS["rms_norm"](x, affine=v.chance()), [x])


ELEMENTWISE: dict[str, Callable[[Values], Drawn]] = {
    **{name: _unary(name) for name in ("relu", "relu6", "sigmoid", "tanh", "silu", "exp", "abs", "detach")},
    **{name: _unary(name) for name in ("squared_relu", "softplus", "hardswish", "sin", "cos")},
    **{name: _unary(name, argument=0.3) for name in ("leaky_relu", "elu")},
    **{name: _unary(name, positive=True) for name in ("log", "sqrt")},
    "gelu": _gelu, "clamp": _clamp, "compare": _compare, "where": _where, "affine": _affine, "dropout": _dropout,
    "add": _binary(Add()), "sub": _binary(Sub()), "mul": _binary(Mul()), "div": _binary(Div(), positive=True),
    "minimum": _binary(Minimum()), "maximum": _binary(Maximum()), "prelu": _prelu, "scale_shift": _scale_shift,
    "batch_norm": _batch_norm, "group_norm": _group_norm, "layer_norm": _layer_norm, "rms_norm": _rms_norm,
}  # fmt: skip
