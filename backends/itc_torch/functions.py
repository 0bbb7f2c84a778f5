"""Operations that torch has no function for, in plain torch: graphs call them, emitted modules get a copy of them.

Each may use `math`, `torch`, `F`, `Tensor` and the other functions of this file, nothing else.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor


def or_zeros(x: Tensor | None, first: Tensor, *sizes: int, kind: str = "") -> Tensor:
    """An input that may be left out: zeros then, as many samples as `first` has."""
    if x is not None:
        return x
    dtype = getattr(torch, kind) if kind else first.dtype
    return first.new_zeros((first.shape[0], *sizes), dtype=dtype)


def relative_change(a: Tensor, b: Tensor, eps: float = 1e-12) -> Tensor:
    """Norm of a - b over that of b, one number for each sample."""
    a, b = a.flatten(1), b.flatten(1)
    apart, size = (a - b).norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    return torch.div(apart, size.clamp(min=eps))


def put_back(x: Tensor, indices: Tensor, like: Tensor) -> Tensor:
    """Zeros of the height and width of `like`, but for `x` at the flat `indices`.

    Of several elements for one place the last is kept, and only that has a gradient.
    """
    height, width = like.shape[-2:]
    flat, indices = x.flatten(-2), indices.flatten(-2).long()
    order = torch.arange(flat.shape[-1], device=x.device).expand_as(indices)
    none = indices.new_full((*x.shape[:-2], height * width), -1)
    last = none.scatter_reduce(-1, indices, order, "amax")
    filled = flat.gather(-1, last.clamp(min=0)).masked_fill(last < 0, 0)
    return torch.reshape(filled, (*x.shape[:-2], height, width))


def sine_table(x: Tensor, base: float = 10000.0) -> Tensor:
    """Sines of the position in even channels, cosines in odd ones, as large as x."""
    tokens, channels = x.shape[-2:]
    position = torch.arange(tokens, dtype=torch.float64, device=x.device)
    pair = torch.arange(channels // 2, dtype=torch.float64, device=x.device)
    angle = position[:, None] / base ** (pair / len(pair))
    table = torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)
    return table.to(x.dtype).expand_as(x)


def rotary(
    x: Tensor,
    heads: int = 1,
    base: float = 10000.0,
    interleaved: bool = False,
) -> Tensor:
    """Turns the pairs of channels (i, i + d / 2), or (2 i, 2 i + 1), of each head by an angle."""
    pairs = x.shape[-1] // (2 * heads)
    position = torch.arange(x.shape[-2], dtype=torch.float64, device=x.device)
    pair = torch.arange(pairs, dtype=torch.float64, device=x.device)
    angle = (position[:, None] / base ** (pair / pairs))[:, None]
    cosine, sine = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    by_head = x.reshape(*x.shape[:-1], heads, -1)
    if interleaved:
        first, second = by_head[..., ::2], by_head[..., 1::2]
    else:
        first, second = by_head.chunk(2, dim=-1)
    turned = (first * cosine - second * sine, second * cosine + first * sine)
    if interleaved:
        return torch.stack(turned, dim=-1).flatten(-3)
    return torch.cat(turned, dim=-1).flatten(-2)


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    mask: Tensor | None = None,
    heads: int = 1,
    causal: bool = False,
) -> Tensor:
    """Attention of tokens q to tokens k with values v, in parts of the channels."""
    q, k, v = (x.reshape(*x.shape[:-1], heads, -1).transpose(-3, -2) for x in (q, k, v))
    if mask is None:
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
    else:
        allowed = mask.reshape(mask.shape[0], 1, -1, mask.shape[-1])
        if causal:
            allowed = allowed & allowed.new_ones(q.shape[-2], k.shape[-2]).tril()
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=allowed)
        attended = attended.masked_fill(~allowed.any(-1, keepdim=True), 0)
    return torch.flatten(attended.transpose(-3, -2), -2)


def convolve_samples(
    x: Tensor,
    weight: Tensor,
    stride: tuple[int, int] = (1, 1),
    pad: tuple[int, int] = (0, 0),
    dilation: tuple[int, int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    """Convolution of each sample [c, h, w] with a weight of its own: samples are groups."""
    samples, out = weight.shape[:2]
    maps = F.conv2d(
        x.reshape(1, -1, *x.shape[-2:]),
        weight.flatten(0, 1),
        stride=stride,
        padding=pad,
        dilation=dilation,
        groups=samples * groups,
    )
    return maps.reshape(samples, out, *maps.shape[-2:])


def take_parts(x: Tensor, indices: Tensor, axis: int) -> Tensor:
    """The parts of each sample at its own indices along an axis, counted from the end."""
    sample = torch.arange(x.shape[0], device=x.device)[:, None]
    places = indices.reshape(indices.shape[0], -1).long()
    taken = x.movedim(axis, 1)[sample, places].movedim(1, axis)
    before, behind = x.shape[: x.dim() + axis], x.shape[x.dim() + axis + 1 :]
    return torch.reshape(taken, (*before, *indices.shape[1:], *behind))


def align_regions(
    x: Tensor,
    boxes: Tensor,
    size: tuple[int, int] = (7, 7),
    scale: float = 1.0,
    sampling: int = 2,
    aligned: bool = False,
) -> Tensor:
    """Features [b, n, c, *size] of boxes [b, n, 4], by bilinear samples."""
    corners = boxes * scale - 0.5 if aligned else boxes * scale
    left, top, right, bottom = corners.unbind(-1)
    least = None if aligned else 1
    rows = axis_shares(top, bottom, size[0], x.shape[-2], sampling, least)
    columns = axis_shares(left, right, size[1], x.shape[-1], sampling, least)
    return torch.einsum("bnph,bchw,bnqw->bncpq", rows, x, columns)


def axis_shares(
    first: Tensor,
    last: Tensor,
    parts: int,
    places: int,
    sampling: int,
    least: int | None,
) -> Tensor:
    """The share of each place in each part of a box: [b, n, parts, places]."""
    extent = last - first if least is None else (last - first).clamp(min=least)
    step = extent / parts
    samples = torch.arange(parts * sampling, dtype=first.dtype, device=first.device)
    at = first[..., None] + (samples + 0.5) / sampling * step[..., None]
    inside = (at >= -1) & (at <= places)
    at = at.clamp(0, places - 1)
    low = at.floor()
    upper = at - low
    place = torch.arange(places, device=first.device)
    share = torch.where(place == low[..., None], 1 - upper[..., None], 0)
    share = share + torch.where(place == low[..., None] + 1, upper[..., None], 0)
    share = share * inside[..., None]
    return share.reshape(*first.shape, parts, sampling, places).mean(-2)


def propose_regions(
    scores: Tensor,
    deltas: Tensor,
    image: Tensor,
    count: int = 300,
    candidates: int = 6000,
    overlap: float = 0.7,
    stride: int = 16,
    sizes: tuple[float, ...] = (128.0, 256.0, 512.0),
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0),
    least: float = 16.0,
) -> Tensor:
    """The likeliest boxes [b, count, 4] that overlap by at most `overlap`, or zeros."""
    scores, deltas = scores.detach(), deltas.detach()
    height, width = scores.shape[-2:]
    anchors = anchor_boxes(height, width, stride, sizes, ratios).to(deltas)
    by_anchor = deltas.reshape(len(deltas), -1, 4, height, width)
    by_anchor = by_anchor.movedim((1, 2), (-2, -1)).flatten(1, 3)
    edges = deltas.new_tensor([image.shape[-1], image.shape[-2]] * 2)
    boxes = decoded(anchors, by_anchor).clamp(min=0).minimum(edges)
    large = (boxes[..., 2:] - boxes[..., :2] >= least).all(-1)
    ranked = scores.movedim(1, -1).flatten(1).masked_fill(~large, -math.inf)
    order = likeliest(ranked, candidates)
    boxes = boxes.gather(1, order[..., None].expand(-1, -1, 4))
    alive = large.gather(1, order)
    places = torch.arange(alive.shape[1], device=alive.device)
    chosen = []
    for _ in range(min(count, boxes.shape[1])):
        first = alive.long().argmax(1, keepdim=True)
        box = boxes.gather(1, first[..., None].expand(-1, -1, 4))
        chosen.append(torch.where(alive.any(1)[:, None, None], box, 0))
        alive = alive & ~(overlaps(box, boxes) > overlap) & (places != first)
    return F.pad(torch.cat(chosen, dim=1), (0, 0, 0, count - len(chosen)))


def likeliest(scores: Tensor, count: int) -> Tensor:
    """The places of the `count` highest scores [b, n], the first of equal ones first."""
    if torch.onnx.is_in_onnx_export():  # it has no stable sort, but its top k is stable
        return scores.topk(min(count, scores.shape[1]), dim=1).indices
    return scores.argsort(dim=1, descending=True, stable=True)[:, :count]


def anchor_boxes(
    height: int,
    width: int,
    stride: int,
    sizes: tuple[float, ...],
    ratios: tuple[float, ...],
) -> Tensor:
    """Anchors [height * width * a, 4] by row, column, ratio and size."""
    roots = torch.tensor(ratios).sqrt()[:, None]
    half_height = (roots * torch.tensor(sizes)).flatten() / 2
    half_width = (1 / roots * torch.tensor(sizes)).flatten() / 2
    corners = (-half_width, -half_height, half_width, half_height)
    shapes = torch.stack(corners, -1).round()
    rows, columns = torch.arange(height) * stride, torch.arange(width) * stride
    down, across = torch.meshgrid(rows, columns, indexing="ij")
    shifts = torch.stack((across, down, across, down), -1)
    return (shifts[:, :, None] + shapes).reshape(-1, 4)


def decoded(anchors: Tensor, deltas: Tensor) -> Tensor:
    """Boxes of anchors that are shifted by parts of their size, and scaled."""
    size = anchors[:, 2:] - anchors[:, :2]
    centre = anchors[:, :2] + size / 2 + deltas[..., :2] * size
    half = deltas[..., 2:].clamp(max=math.log(1000 / 16)).exp() * size / 2
    return torch.cat((centre - half, centre + half), dim=-1)


def overlaps(box: Tensor, boxes: Tensor) -> Tensor:
    """Intersection over union of one box with all others of its sample."""
    low = torch.maximum(box[..., :2], boxes[..., :2])
    shared = (torch.minimum(box[..., 2:], boxes[..., 2:]) - low).clamp(min=0).prod(-1)
    own = (box[..., 2:] - box[..., :2]).prod(-1)
    return shared / (own + (boxes[..., 2:] - boxes[..., :2]).prod(-1) - shared)


def cross_entropy(
    output: Tensor,
    target: Tensor,
    class_axis: int = 1,
    ignore_index: int = -100,
) -> Tensor:
    """The mean over all targets but `ignore_index`: classes, or shares of each."""
    if target.is_floating_point():
        target = target.movedim(class_axis, 1)
    output = output.movedim(class_axis, 1)
    return F.cross_entropy(output, target, ignore_index=ignore_index)


def kl(output: Tensor, target: Tensor, class_axis: int = 1) -> Tensor:
    """The divergence of shares of classes from the output's, mean over positions."""
    found = output.log_softmax(class_axis)
    apart = F.kl_div(found, same_shape(output, target), reduction="none")
    return apart.sum(class_axis).mean()


def mse(output: Tensor, target: Tensor) -> Tensor:
    """The mean of the squared differences."""
    return F.mse_loss(output, same_shape(output, target))


def l1(output: Tensor, target: Tensor) -> Tensor:
    """The mean of the absolute differences."""
    return F.l1_loss(output, same_shape(output, target))


def huber(output: Tensor, target: Tensor) -> Tensor:
    """Half the squared differences up to 1, linear from there on, in the mean."""
    return F.huber_loss(output, same_shape(output, target))


def bce(output: Tensor, target: Tensor) -> Tensor:
    """The binary cross entropy of probabilities with the sigmoid of the output."""
    return F.binary_cross_entropy_with_logits(output, same_shape(output, target))


def same_shape(output: Tensor, target: Tensor) -> Tensor:
    """The target, which is not broadcast."""
    if target.shape != output.shape:
        sizes = f"{list(target.shape)} for an output of {list(output.shape)}"
        raise ValueError(f"the target has another shape: {sizes}")
    return target
