"""Draws operations that give maps other shapes and orders, or look at all of them: attention, gates, unpooling."""

from __future__ import annotations

from collections.abc import Callable

from itc.ir import Layer, Value
from itc.ir.ops.pointwise import Mul, Sub
from tests.net_operations import Operations, pair_of


class Arrangements(Operations):
    """Operations, and those that rearrange."""

    def map_kinds(self) -> tuple[Callable[[Value], Value], ...]:
        return (*super().map_kinds(), self.rearranged, self.rescaled, self.gated, self.attention)

    def vector_kinds(self) -> tuple[Callable[[Value], Value], ...]:
        return (*super().vector_kinds(), self.sliced)

    def rearranged(self, x: Value) -> Value:
        """The same elements elsewhere: rows as columns, other channels, some places more or less."""
        shape = x.tensor.shape
        small = max(shape[-2:]) + 2 <= self.limits.size
        kinds = ["transpose", "reshape", "slice", "channel_shuffle", *(["pad"] if small else [])]
        match self.pick(kinds):
            case "transpose":
                return self.call(self.layer("transpose", x.tensor, (0, 2, 1)), x)
            case "reshape":
                return self.call(self.layer("reshape", x.tensor, (shape[0], shape[2], shape[1])), x)
            case "pad":
                axis, value = self.pick((-1, -2)), self.pick((0.0, 0.5))
                return self.call(self.layer("pad", x.tensor, self.number(0, 1), 1, axis=axis, value=value), x)
            case "channel_shuffle":
                groups = self.pick([g for g in (1, 2, 3) if shape[0] % g == 0])
                return self.call(self.layer("channel_shuffle", x.tensor, groups), x)
        return self.sliced(x)

    def sliced(self, x: Value) -> Value:
        """Some places of an axis, at least two where there are so many."""
        axis = self.number(0, len(x.tensor.shape) - 1)
        size = x.tensor.shape[axis]
        start = self.number(0, max(0, size - 2))
        return self.call(self.layer("slice", x.tensor, start, axis=axis, step=self.number(1, 2)), x)

    def rescaled(self, x: Value) -> Value:
        """A map of another size: by a transposed convolution, windows of even size, or the places of a max pool."""
        pooled = [v for v in self.builder.inputs if len(v.tensor.shape) == 3]
        if max(x.tensor.shape[-2:]) * 2 <= self.limits.size and self.chance():
            out, kernel = self.number(1, 4), pair_of([self.number(2, 3), self.number(2, 3)])
            return self.call(self.layer("conv_transpose", x.tensor, out, kernel, bias=self.chance()), x)
        if not pooled or self.chance():
            return self.call(self.layer("adaptive_pool", x.tensor, pair_of([self.number(1, 5), self.number(1, 5)])), x)
        return self.unpooled(x, self.pick(pooled))

    def unpooled(self, x: Value, image: Value) -> Value:
        """`x` put to where an input, whose elements are all different, has its maxima."""
        kernel = pair_of([2, 2])
        layer = self.layer("pool_indices", image.tensor, kernel)
        indices = self.builder.apply(layer.op, [image])
        x = self.fitted(x, self.call(self.layer("max_pool", image.tensor, kernel), image))
        return self.call(self.layer("max_unpool", x.tensor, indices.tensor, like=image.tensor), x, indices, image)

    def gated(self, x: Value) -> Value:
        """`x` times a number for each channel, or less its means along some axes."""
        if self.chance():
            gate = self.squashed(self.global_pool(x))
            return self.call(Layer(Mul()), x, self.call(self.layer("broadcast", gate.tensor, like=x.tensor), gate, x))
        name, axes = self.pick(("reduce_mean", "reduce_max")), self.pick(((-1, -2), (0,), None))
        reduced = self.call(self.layer(name, x.tensor, axes, keep=True), x)
        return self.call(Layer(Sub()), x, self.call(self.layer("broadcast", reduced.tensor, like=x.tensor), reduced, x))

    def attention(self, x: Value) -> Value:
        """Every place of a small map to every other, as tokens."""
        x = self.call(self.layer("adaptive_pool", x.tensor, (3, 2)), x)
        channels = x.tensor.channels
        flat = self.call(self.layer("reshape", x.tensor, (channels, -1)), x)
        tokens = self.call(self.layer("transpose", flat.tensor), flat)
        heads = self.pick([h for h in (1, 2) if channels % h == 0])
        turned = self.call(self.layer("rope", tokens.tensor, 1), tokens) if channels % 2 == 0 else tokens
        types = (turned.tensor, tokens.tensor, tokens.tensor)
        seen = self.call(self.layer("attend", *types, heads, causal=self.chance()), turned, tokens, tokens)
        back = self.call(self.layer("transpose", seen.tensor), seen)
        return self.call(self.layer("reshape", back.tensor, x.tensor.shape), back)
