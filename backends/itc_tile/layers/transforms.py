"""Equivalent forms of a layer that the units may compute instead: axes moved into channels, operands swapped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import prod

from itc_tile.layers.layer import Layer, Pair

#: Input channels that fill the units of a tile.
FULL = 16


@dataclass(frozen=True)
class Form:
    """A layer in another form, and how it got it.

    `expanded` axes of the kernel are input channels. `swapped` operands take each other's place. `combined` groups of
    few channels are one group of more, with zeros off the diagonal.
    """

    layer: Layer
    expanded: tuple[int, ...] = ()
    swapped: bool = False
    combined: int = 1

    @property
    def expands(self) -> bool:
        return bool(self.expanded)


def forms(layer: Layer) -> Iterator[Form]:
    """The layer as it is and in all other forms."""
    for expanded in ((), (0,), (1,), (0, 1)):
        if all(_can_expand(layer, axis) for axis in expanded):
            flat = _flattened(_spread_later(_expanded(layer, expanded)))
            yield from _combined(Form(flat, expanded))
            if flat.kernel == (1, 1) and flat.batch == 1 and flat.result[0] == 1 and flat.source == (0, 0):
                yield from _combined(Form(_swapped(flat), expanded, swapped=True))


def _can_expand(layer: Layer, axis: int) -> bool:
    return layer.kernel[axis] > 1 or layer.stride[axis] > 1 or layer.spread[axis] > 1


def _expanded(layer: Layer, axes: tuple[int, ...]) -> Layer:
    """The layer with the kernel's positions on some axes as input channels."""
    for axis in axes:
        layer = replace(
            layer,
            inputs=layer.inputs * layer.kernel[axis],
            kernel=_with(layer.kernel, axis, 1),
            stride=_with(layer.stride, axis, 1),
            dilation=_with(layer.dilation, axis, 1),
            spread=_with(layer.spread, axis, 1),
            source=_with(layer.source, axis, layer.result[axis]),
        )
    return layer


def _spread_later(layer: Layer) -> Layer:
    """The layer that leaves out results which only get zeros, where the kernel has one position on an axis."""
    for axis in (0, 1):
        if layer.spread[axis] > 1 and layer.kernel[axis] == 1:
            kept = -(-layer.result[axis] // layer.spread[axis])
            layer = replace(
                layer,
                result=_with(layer.result, axis, kept),
                source=_with(layer.source, axis, kept),
                spread=_with(layer.spread, axis, 1),
            )
    return layer


def _flattened(layer: Layer) -> Layer:
    """The layer with the batch and the axes that have no window joined to one axis."""
    axes = [axis for axis in (0, 1) if layer.kernel[axis] == layer.stride[axis] == layer.spread[axis] == 1]
    if not axes:
        return layer
    result, source = layer.result, layer.source
    joined = layer.batch * prod(result[axis] for axis in axes)
    for axis in axes:
        result, source = _with(result, axis, 1), _with(source, axis, 0)
    return replace(layer, batch=1, result=_with(result, axes[-1], joined), source=source)


def _swapped(layer: Layer) -> Layer:
    """A product of matrices with its operands swapped."""
    return replace(layer, outputs=layer.result[1], result=(1, layer.outputs))


def _combined(form: Form) -> Iterator[Form]:
    """The form as it is, and with groups of few input channels combined to 4, 8 or 16 channels."""
    yield form
    layer = form.layer
    for factor in (4 // layer.inputs, 8 // layer.inputs, FULL // layer.inputs):
        if layer.groups > 1 and factor > 1:
            groups = -(-layer.groups // factor)
            joined = replace(layer, groups=groups, inputs=layer.inputs * factor, outputs=layer.outputs * factor)
            yield replace(form, layer=joined, combined=factor)


def _with(pair: Pair, axis: int, value: int) -> Pair:
    return (value, pair[1]) if axis == 0 else (pair[0], value)
