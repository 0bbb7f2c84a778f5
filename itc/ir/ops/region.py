"""Regions of interest, as in Faster R-CNN: proposal of object boxes, and pooling of their features."""

from __future__ import annotations

from math import log

import numpy as np

from itc.ir.op import RUN, Array, Layer, Op, Pair, RuleError, Types, layer, operation
from itc.ir.rules import at_least, needs, needs_float
from itc.ir.types import TensorType
from itc.records import dataclass

#: Logarithm of the largest growth factor of a box, 1000 / 16, as in public implementations.
MAX_GROWTH = log(1000 / 16)


@operation
@dataclass(frozen=True)
class RoiAlign(Op):
    """Features of each box on a grid of `size`, each the mean of `sampling` x `sampling` bilinear samples.

    Operands: features [c, h, w] and boxes [n, 4] as x1, y1, x2, y2, which are multiplied by `scale` to coordinates of
    the features. The result is [n, c, *size]. As in torchvision's `roi_align`, boxes are at least one pixel wide, or
    with `aligned` shifted by half a pixel; samples more than one pixel outside the map are zero.
    """

    name = "roi_align"
    arity = (2, 2)
    size: Pair = (7, 7)
    scale: float = 1.0
    sampling: int = 2
    aligned: bool = False

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        x, boxes = operands
        needs_float("roi_align", x, boxes)
        at_least(1, "size", self.size)
        at_least(1, "sampling", self.sampling)
        at_least(0, "scale", self.scale)
        if len(x.shape) != 3:
            raise RuleError(f"`roi_align` needs a map (channels, height, width), not {x}", 0)
        if len(boxes.shape) != 2 or boxes.shape[1] != 4:
            raise RuleError(f"`roi_align` needs boxes [count, 4], not {boxes}", 1)
        return (x.with_shape((boxes.shape[0], x.shape[0], *self.size)),)

    def operations(self, types: Types, results: Types) -> int:
        x, boxes = types
        products = boxes.shape[0] * self.size[0] * x.size + results[0].size * x.shape[2]
        return products + self._shares(types, results)

    def temporary_bytes(self, types: Types, results: Types) -> int:
        return 4 * self._shares(types, results)

    def _shares(self, types: Types, results: Types) -> int:
        """For each box, part and sample the share of every row and column, and a product on the way."""
        x, boxes = types
        rows = sum(self.sampling * parts * length for parts, length in zip(self.size, x.shape[1:], strict=True))
        return boxes.shape[0] * (8 * rows + x.channels * self.size[0] * x.shape[2]) + results[0].size

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        x, boxes = operands
        corners = boxes * np.asarray(self.scale, boxes.dtype)
        corners = corners - np.asarray(0.5, boxes.dtype) if self.aligned else corners
        rows, columns = (
            self._weights(corners[..., axis], corners[..., axis + 2], self.size[1 - axis], x.shape[3 - axis])
            for axis in (1, 0)
        )
        return (np.einsum("bnph,bchw,bnqw->bncpq", rows, x, columns, optimize=True),)

    def _weights(self, first: Array, last: Array, parts: int, positions: int) -> Array:
        """Weights [batch, n, parts, positions] of the positions along one axis in each part of each box."""
        step = (last - first if self.aligned else np.maximum(last - first, 1)) / parts
        offsets = (np.arange(parts * self.sampling, dtype=first.dtype) + np.asarray(0.5, first.dtype)) / self.sampling
        at = first[..., None] + offsets * step[..., None]
        inside = (at >= -1) & (at <= positions)
        at = np.clip(at, 0, positions - 1)
        low = np.floor(at).astype(np.int64)
        upper = (at - low).astype(first.dtype)
        position = np.arange(positions)
        share = np.where(position == low[..., None], 1 - upper[..., None], 0)
        share = share + np.where(position == low[..., None] + 1, upper[..., None], 0)
        share = share * inside[..., None]
        grouped = share.reshape(*first.shape, parts, self.sampling, positions)
        return np.asarray(grouped.mean(-2), first.dtype)


@operation
@dataclass(frozen=True)
class Proposals(Op):
    """Non-maximum suppression: the `count` best boxes [count, 4] by score that overlap by at most `overlap`.

    Operands: scores [a, h, w] (any monotone function of the likelihood), deltas [4 a, h, w] and the image, whose shape
    alone is read. Each `stride`-th pixel has a = ratios x sizes anchors, in that order: sizes are square roots of
    areas, ratios heights over widths. Deltas shift the centre in units of the anchor and scale it by exponentials.
    Boxes are clipped to the image; boxes less than `least` wide or high are dropped. The `candidates` best of the
    others are considered, ties by row, column, anchor. If fewer than `count` remain, the last boxes are zeros.
    """

    name = "proposals"
    arity = (3, 3)
    shape_only = frozenset({2})
    count: int = 300
    candidates: int = 6000
    overlap: float = 0.7
    stride: int = 16
    sizes: tuple[float, ...] = (128.0, 256.0, 512.0)
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    least: float = 16.0

    def result_types(self, *operands: TensorType) -> tuple[TensorType, ...]:
        scores, deltas, _ = operands
        needs_float("proposals", scores, deltas)
        for position, operand in enumerate(operands):
            needs(3, operand, "proposals", position)
        for name in ("count", "candidates", "stride"):
            at_least(1, name, getattr(self, name))
        for name in ("sizes", "ratios"):
            at_least(1e-3, name, getattr(self, name))
        at_least(0, "overlap", (self.overlap, self.least))
        anchors = len(self.sizes) * len(self.ratios)
        height, width = scores.shape[-2:]
        if scores.shape != (anchors, height, width):
            raise RuleError(f"{anchors} anchors per pixel, but scores of {scores}", 0, attribute="sizes")
        if deltas.shape != (4 * anchors, height, width):
            raise RuleError(f"{anchors} anchors need deltas of {4 * anchors} channels, not {deltas}", 1, 0)
        return (scores.with_shape((self.count, 4)),)

    def anchors(self, height: int, width: int) -> Array:
        """All anchors as [height * width * a, 4], in float32, by row, column, ratio and size."""
        roots = np.sqrt(np.asarray(self.ratios, np.float32))[:, None]
        sizes = np.asarray(self.sizes, np.float32)
        half_height, half_width = ((roots * sizes).reshape(-1) / 2, (1 / roots * sizes).reshape(-1) / 2)
        shapes = np.round(np.stack([-half_width, -half_height, half_width, half_height], -1))
        down, across = np.meshgrid(np.arange(height) * self.stride, np.arange(width) * self.stride, indexing="ij")
        shifts = np.stack([across, down, across, down], -1).astype(np.float32)
        return np.asarray((shifts[:, :, None] + shapes).reshape(-1, 4))

    def operations(self, types: Types, results: Types) -> int:
        """Overlaps of each selected box with all remaining candidates."""
        candidates = min(types[0].size, self.candidates)
        selected = min(self.count, candidates)
        return 16 * candidates * selected + RUN * selected

    def evaluate(self, *operands: Array) -> tuple[Array, ...]:
        scores, deltas, image = operands
        height, width = scores.shape[-2:]
        flat = np.moveaxis(scores, 1, -1).reshape(len(scores), -1)
        by_anchor = np.moveaxis(deltas.reshape(len(deltas), -1, 4, height, width), (1, 2), (-2, -1))
        boxes = decoded(self.anchors(height, width).astype(deltas.dtype), by_anchor.reshape(len(deltas), -1, 4))
        boxes = np.clip(boxes, 0, np.array([image.shape[-1], image.shape[-2]] * 2, boxes.dtype))
        large = (boxes[..., 2:] - boxes[..., :2] >= self.least).all(-1)
        order = np.argsort(-np.where(large, flat, -np.inf), axis=-1, kind="stable")[:, : self.candidates]
        best = np.take_along_axis(boxes, order[..., None], 1)
        return (
            np.stack([self._distinct(b, a) for b, a in zip(best, np.take_along_axis(large, order, 1), strict=True)]),
        )

    def _distinct(self, boxes: Array, alive: Array) -> Array:
        """The first `count` boxes; none overlaps an earlier one by more than `overlap`."""
        out = np.zeros((self.count, 4), boxes.dtype)
        alive = alive.copy()
        for position in range(self.count):
            if not alive.any():
                break
            chosen = int(alive.argmax())
            out[position] = boxes[chosen]
            alive &= ~(overlaps(boxes[chosen], boxes) > self.overlap)
            alive[chosen] = False
        return out


def decoded(anchors: Array, deltas: Array) -> Array:
    """Boxes [..., 4]: the anchors, shifted and scaled by the deltas."""
    size = anchors[:, 2:] - anchors[:, :2]
    centre = anchors[:, :2] + size / 2 + deltas[..., :2] * size
    half = np.exp(np.minimum(deltas[..., 2:], np.asarray(MAX_GROWTH, deltas.dtype))) * size / 2
    return np.concatenate([centre - half, centre + half], -1)


def overlaps(box: Array, boxes: Array) -> Array:
    """Intersection over union of a box and each of `boxes` [n, 4]."""
    shared = np.maximum(np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2]), 0).prod(-1)
    own, others = (box[2:] - box[:2]).prod(), (boxes[:, 2:] - boxes[:, :2]).prod(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(shared / (own + others - shared))


@layer
def roi_align(
    x: TensorType,
    boxes: TensorType,
    size: Pair = (7, 7),
    *,
    scale: float = 1.0,
    sampling: int = 2,
    aligned: bool = False,
) -> Layer:
    """The features of each box on a grid of `size`; `scale` is the map's resolution relative to the boxes' pixels.

    As torchvision's `roi_align`: boxes are at least 1 x 1, or with `aligned` (Mask R-CNN) shifted by half a pixel.
    """
    return Layer(RoiAlign(size, float(scale), sampling, aligned))


@layer
def proposals(
    scores: TensorType,
    deltas: TensorType,
    *,
    like: TensorType,
    count: int = 300,
    candidates: int = 6000,
    overlap: float = 0.7,
    stride: int = 16,
    sizes: tuple[float, ...] = (128.0, 256.0, 512.0),
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
    least: float = 16.0,
) -> Layer:
    """The `count` best boxes in the image `like`, by scores and deltas of anchors, after non-maximum suppression."""
    numbers = (tuple(map(float, sizes)), tuple(map(float, ratios)))
    return Layer(Proposals(count, candidates, float(overlap), stride, *numbers, float(least)))
