"""References that are more than a formula, against other ways to compute them: loops, torch's modules and autograd."""

from __future__ import annotations

from math import cos, exp, log, sin, sqrt
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from itc.ir.op import Array
from itc.ir.ops.conv_transpose import ConvTranspose
from itc.ir.ops.matmul import Attend
from itc.ir.ops.pool import MaxPool
from itc.ir.ops.position import Rope, Sinusoid, sinusoids
from itc.ir.ops.reduce import Change
from itc.ir.ops.region import Proposals, RoiAlign
from itc.ir.ops.unpool import MaxUnpool, PoolIndices
from tests.ops.draws import Drawn, operations
from tests.random_nets import on_random_nets


def value(op: Any, *operands: Array) -> Array:
    (result,) = op.evaluate(*operands)
    return np.asarray(result)


@on_random_nets
@given(operations("conv_transpose"))
def test_transposed_convolution_is_the_gradient_of_a_convolution(drawn: Drawn) -> None:
    """Of the convolution from the result's size back to the operand's, for any gradient: <conv(y), x> = <y, op(x)>."""
    op, (x, weight, *bias) = drawn.op, drawn.arrays
    assert isinstance(op, ConvTranspose)
    made = torch.from_numpy(drawn.evaluate())
    if bias:
        made = made - torch.from_numpy(bias[0])[:, None, None]
    options = {"stride": op.stride, "padding": op.pad, "dilation": op.dilation, "groups": op.groups}
    y = torch.randn(made.shape, requires_grad=True, generator=torch.Generator().manual_seed(0))
    maps = F.conv2d(y.reshape(-1, *y.shape[-3:]), torch.from_numpy(weight), **options)
    maps = maps[..., : x.shape[-2], : x.shape[-1]]
    (gradient,) = torch.autograd.grad((maps.reshape(x.shape) * torch.from_numpy(x)).sum(), y)
    np.testing.assert_allclose(made, gradient, rtol=1e-4, atol=1e-4)


@on_random_nets
@given(operations("attend"))
def test_attention_is_softmax_of_products(drawn: Drawn) -> None:
    """Head by head, token by token; the products that torch counts are the MACs."""
    op, (q, k, v, *mask) = drawn.op, (torch.from_numpy(a) for a in drawn.arrays)
    assert isinstance(op, Attend)
    found, heads = torch.from_numpy(drawn.evaluate()), op.heads
    with FlopCounterMode(display=False) as counter:
        for head, (a, b, c) in enumerate(zip(q.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1), strict=True)):
            scores = a @ b.mT / sqrt(a.shape[-1])
            if op.causal:
                scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
            for allowed in mask:
                scores = scores.masked_fill(~allowed.reshape(len(q), -1, k.shape[-2]), -torch.inf)
            expected = scores.softmax(-1).nan_to_num(0) @ c
            torch.testing.assert_close(found.chunk(heads, -1)[head], expected, rtol=1e-4, atol=1e-5)
    assert counter.get_total_flops() == 2 * len(q) * op.macs(*drawn.types)


def test_sinusoids_are_those_of_the_paper() -> None:
    table = value(Sinusoid(), np.zeros((1, 40, 12), np.float32))[0]
    for position in range(40):
        for pair in range(6):
            angle = position / 10000 ** (2 * pair / 12)
            assert table[position, 2 * pair] == pytest.approx(sin(angle), abs=1e-6)
            assert table[position, 2 * pair + 1] == pytest.approx(cos(angle), abs=1e-6)
    assert sinusoids(3, 5).shape == (3, 5)


def test_rotary_products_depend_on_the_distance_alone() -> None:
    """And channels i and i + d / 2 of a head turn as the parts of a complex number."""
    rng = np.random.default_rng(0)
    q, k = (np.repeat(rng.normal(size=(1, 1, 8)), 9, axis=1) for _ in range(2))
    turned_q, turned_k = value(Rope(2), q)[0], value(Rope(2), k)[0]
    for head in (slice(0, 4), slice(4, 8)):
        products = turned_q[:, head] @ turned_k[:, head].T
        for distance in range(-8, 9):
            assert np.ptp(np.diagonal(products, distance)) < 1e-12
    one = q[0, 0, :2] + 1j * q[0, 0, 2:4]
    angles = 3 / 10000 ** (np.arange(2) / 2)
    expected = one * np.exp(1j * angles)
    np.testing.assert_allclose(turned_q[3, :4], [*expected.real, *expected.imag])


def test_change_is_the_relative_norm() -> None:
    a, b = np.array([[3.0, 4.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [1.0, 1.0]])
    np.testing.assert_allclose(value(Change(eps=0.5), a, b), [[10.0], [0.0]])
    np.testing.assert_allclose(value(Change(), b + 1, b)[1], [1.0])


@on_random_nets
@given(st.data())
def test_unpooling_is_that_of_torch(data: Any) -> None:
    rows, columns, kernel = (data.draw(st.integers(least, 8)) for least in (3, 3, 1))
    kernel = min(kernel, rows, columns)
    x = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=(2, 3, rows, columns)).astype(np.float32)
    pair = (kernel, kernel)
    pooled, places = F.max_pool2d(torch.from_numpy(x), kernel, return_indices=True)
    indices = value(PoolIndices(pair, pair), x)
    np.testing.assert_array_equal(indices, places)
    expected = F.max_unpool2d(pooled, places, kernel, output_size=x.shape[-2:])
    np.testing.assert_array_equal(value(MaxUnpool(), value(MaxPool(pair, pair), x), indices, x), expected)


def test_equal_elements_and_minus_infinity_have_the_first_place() -> None:
    x = np.array([[[[1, 1, 0], [1, 1, 0], [0, 0, 0]]], [[[-np.inf] * 3] * 3]], np.float32)
    op = PoolIndices((2, 2), (2, 2), (1, 1), True)
    _, places = F.max_pool2d(torch.from_numpy(x), 2, padding=1, ceil_mode=True, return_indices=True)
    np.testing.assert_array_equal(value(op, x), places)
    assert value(op, x)[0, 0].tolist() == [[0, 1], [3, 4]]


# Regions


def sampled(x: Array, row: float, column: float) -> Array:
    """One bilinear sample [c], as the kernel of torchvision's roi_align takes it."""
    height, width = x.shape[-2:]
    if row < -1 or row > height or column < -1 or column > width:
        return np.zeros(len(x))
    total: Array = np.zeros(len(x))
    row, column = max(row, 0), max(column, 0)
    top, left = min(int(row), height - 1), min(int(column), width - 1)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    row, column = min(row, height - 1), min(column, width - 1)
    for r, by_row in ((top, 1 - (row - top)), (bottom, row - top)):
        for c, by_column in ((left, 1 - (column - left)), (right, column - left)):
            total = total + x[:, r, c] * by_row * by_column
    return total


@on_random_nets
@given(operations("roi_align"))
def test_regions_are_means_of_bilinear_samples(drawn: Drawn) -> None:
    op, (features, boxes) = drawn.op, (a.astype(np.float64) for a in drawn.arrays)
    assert isinstance(op, RoiAlign)
    found = value(op, features, boxes)
    for (sample, region, _, i, j), _ in np.ndenumerate(found[:, :, :1]):
        left, top, right, bottom = boxes[sample, region] * op.scale - (0.5 if op.aligned else 0)
        least = -np.inf if op.aligned else 1
        steps = max(bottom - top, least) / op.size[0], max(right - left, least) / op.size[1]
        points = [
            sampled(features[sample], top + (i + (a + 0.5) / op.sampling) * steps[0],
                    left + (j + (b + 0.5) / op.sampling) * steps[1])
            for a in range(op.sampling)
            for b in range(op.sampling)
        ]  # fmt: skip
        np.testing.assert_allclose(found[sample, region, :, i, j], np.mean(points, axis=0), atol=1e-9)


def overlap(a: Array, b: Array) -> float:
    width, height = (min(a[2 + i], b[2 + i]) - max(a[i], b[i]) for i in (0, 1))
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return float(shared / (sum(areas) - shared))


@on_random_nets
@given(operations("proposals"))
def test_proposals_are_the_best_boxes_that_overlap_little(drawn: Drawn) -> None:
    """One box at a time, from the best: those that were taken decide, not an array of who is left."""
    op, (scores, deltas, image) = drawn.op, drawn.arrays
    assert isinstance(op, Proposals)
    found = drawn.evaluate()
    for sample in range(len(scores)):
        candidates = []
        for (row, column, anchor), score in np.ndenumerate(np.moveaxis(scores[sample], 0, -1)):
            ratio, size = divmod(anchor, len(op.sizes))
            root = sqrt(op.ratios[ratio])
            half = round(op.sizes[size] / root / 2), round(op.sizes[size] * root / 2)
            dx, dy, dw, dh = deltas[sample, 4 * anchor : 4 * anchor + 4, row, column].astype(float)
            box = []
            for at, extent, shift, growth, most in (
                (column, half[0], dx, dw, image.shape[-1]),
                (row, half[1], dy, dh, image.shape[-2]),
            ):
                centre = at * op.stride + shift * 2 * extent
                reach = extent * exp(min(growth, log(1000 / 16)))
                box.append([min(max(end, 0), most) for end in (centre - reach, centre + reach)])
            corners = np.array([box[0][0], box[1][0], box[0][1], box[1][1]])
            if min(corners[2:] - corners[:2]) >= op.least:
                candidates.append((-score, corners))
        candidates.sort(key=lambda pair: pair[0])
        taken: list[Array] = []
        for _, box_ in candidates[: op.candidates]:
            if len(taken) < op.count and all(not overlap(box_, other) > op.overlap for other in taken):
                taken.append(box_)
        expected = np.zeros((op.count, 4))
        expected[: len(taken)] = np.array(taken).reshape(-1, 4)
        np.testing.assert_allclose(found[sample], expected, atol=1e-3)
