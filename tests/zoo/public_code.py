"""Networks of public code written again in plain torch, each a function of inputs and of weights in the order of use.

Each says whose definition it follows. A `Layers` hands out the weights of a net one layer after the other and
checks the shapes that the definition has; a weight that is used again has been taken before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, gcd, sqrt

import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom
from torch import Tensor

from itc_torch import functions

Inputs = dict[str, Tensor]
Outputs = dict[str, Tensor]


class Layers:
    """The weights of a network as layers, in the order in which they are used for the first time."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self.left = list(weights.items())

    def take(self, end: str, *shape: int) -> Tensor:
        key, value = self.left.pop(0)
        assert (key.rpartition(".")[2], tuple(value.shape)) == (end, shape), (key, value.shape, end, shape)
        return value

    def conv(
        self, x: Tensor, out: int, kernel: int | tuple[int, int] = 1, stride: int = 1, bias: bool = False,
        dilation: int = 1, groups: int = 1, pad: int | None = None,
    ) -> Tensor:  # fmt: skip
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        weight = self.take("weight", out, x.shape[1] // groups, rows, columns)
        margins = (dilation * (rows - 1) // 2, dilation * (columns - 1) // 2) if pad is None else pad
        return F.conv2d(x, weight, self.take("bias", out) if bias else None, stride, margins, dilation, groups)

    def norm(self, x: Tensor, eps: float = 1e-5) -> Tensor:
        size = x.shape[1]
        scale, shift, mean, var = (self.take(end, size) for end in ("weight", "bias", "running_mean", "running_var"))
        return F.batch_norm(x, mean, var, scale, shift, eps=eps)

    def prelu(self, x: Tensor, slopes: int | None = None) -> Tensor:
        return F.prelu(x, self.take("weight", slopes or x.shape[1]))

    def linear(self, x: Tensor, out: int, bias: bool = True) -> Tensor:
        return F.linear(x, self.take("weight", out, x.shape[-1]), self.take("bias", out) if bias else None)

    def conv_norm_relu(self, x: Tensor, out: int, kernel: int = 3, stride: int = 1, pad: int | None = None) -> Tensor:
        return F.relu(self.norm(self.conv(x, out, kernel, stride, pad=pad)))


def bilinear(x: Tensor, size: Sequence[int], corners: bool = False) -> Tensor:
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=corners)


def bottleneck(layers: Layers, x: Tensor, width: int, stride: int, early: bool = False) -> Tensor:
    """ResNet's, with the stride on the 3 x 3, or on the 1 x 1 as in the first release."""
    y = layers.conv_norm_relu(x, width, 1, stride if early else 1)
    y = layers.conv_norm_relu(y, width, 3, 1 if early else stride)
    y = layers.norm(layers.conv(y, 4 * width))
    if stride > 1 or x.shape[1] != 4 * width:
        x = layers.norm(layers.conv(x, 4 * width, 1, stride))
    return F.relu(x + y)


def cgnet(layers: Layers, inputs: Inputs, m: int = 3, n: int = 21, classes: int = 11) -> Outputs:
    """`Context_Guided_Network` of the authors' repository (wutianyiRosun/CGNet)."""

    def activated(x: Tensor) -> Tensor:
        return layers.prelu(layers.norm(x, 1e-3))

    def weighted(x: Tensor, reduction: int) -> Tensor:
        y = F.relu(layers.linear(x.mean((2, 3)), x.shape[1] // reduction))
        return x * torch.sigmoid(layers.linear(y, x.shape[1]))[:, :, None, None]

    def surrounded(x: Tensor, dilation: int) -> Tensor:
        size = x.shape[1]
        near = layers.conv(x, size, 3, groups=size)
        return activated(torch.cat([near, layers.conv(x, size, 3, dilation=dilation, groups=size)], 1))

    def stage(x: Tensor, out: int, count: int, dilation: int, reduction: int) -> tuple[Tensor, Tensor]:
        y = surrounded(activated(layers.conv(x, out, 3, 2)), dilation)
        first = last = weighted(layers.conv(y, out), reduction)
        for _ in range(count - 1):
            y = activated(layers.conv(last, out // 2))
            last = last + weighted(surrounded(y, dilation), reduction)
        return first, last

    image = inputs["image"]
    x = activated(layers.conv(image, 32, 3, 2))
    for _ in range(2):
        x = activated(layers.conv(x, 32, 3))
    half = F.avg_pool2d(image, 3, 2, 1)
    first, x = stage(activated(torch.cat([x, half], 1)), 64, m, 2, 8)
    first, x = stage(activated(torch.cat([x, first, F.avg_pool2d(half, 3, 2, 1)], 1)), 128, n, 4, 16)
    scores = layers.conv(activated(torch.cat([first, x], 1)), classes)
    return {"segmentation": bilinear(scores, image.shape[2:])}


def enet(layers: Layers, inputs: Inputs, classes: int = 11) -> Outputs:
    """`ENet` of davidtvs/PyTorch-ENet, with slopes of its own for each PReLU."""

    def sloped(x: Tensor) -> Tensor:
        return layers.prelu(x, 1)

    def unit(x: Tensor, out: int, kernel: int | tuple[int, int], act: Callable[[Tensor], Tensor],
             dilation: int = 1) -> Tensor:  # fmt: skip
        return act(layers.norm(layers.conv(x, out, kernel, dilation=dilation)))

    def regular(x: Tensor, act: Callable[[Tensor], Tensor] = sloped, dilation: int = 1, tall: bool = False) -> Tensor:
        inner = x.shape[1] // 4
        y = unit(x, inner, 1, act)
        y = unit(unit(y, inner, (5, 1), act), inner, (1, 5), act) if tall else unit(y, inner, 3, act, dilation)
        return act(x + unit(y, x.shape[1], 1, act))

    def down(x: Tensor, out: int) -> tuple[Tensor, Tensor]:
        pooled, places = F.max_pool2d(x, 2, return_indices=True)
        y = sloped(layers.norm(layers.conv(x, x.shape[1] // 4, 2, 2, pad=0)))
        y = unit(unit(y, y.shape[1], 3, sloped), out, 1, sloped)
        return sloped(F.pad(pooled, (0, 0, 0, 0, 0, out - x.shape[1])) + y), places

    def up(x: Tensor, places: Tensor, size: Sequence[int], out: int) -> Tensor:
        main = layers.norm(layers.conv(x, out))
        main = F.max_unpool2d(main, places, 2, output_size=tuple(size))
        y = unit(x, x.shape[1] // 4, 1, F.relu)
        weight = layers.take("weight", y.shape[1], y.shape[1], 2, 2)
        y = F.relu(layers.norm(F.conv_transpose2d(y, weight, stride=2)))
        return F.relu(main + layers.norm(layers.conv(y, out)))

    image = inputs["image"]
    full = torch.cat([layers.conv(image, 13, 3, 2), F.max_pool2d(image, 3, 2, 1)], 1)
    full = sloped(layers.norm(full))
    half, first = down(full, 64)
    for _ in range(4):
        half = regular(half)
    x, second = down(half, 128)
    for _ in range(2):
        for dilation in (2, 8):
            x = regular(regular(x), dilation=dilation)
            x = regular(regular(x, tall=True), dilation=2 * dilation)
    x = up(x, second, half.shape[2:], 64)
    x = regular(regular(x, F.relu), F.relu)
    x = regular(up(x, first, full.shape[2:], 16), F.relu)
    weight = layers.take("weight", 16, classes, 3, 3)
    return {"segmentation": F.conv_transpose2d(x, weight, stride=2, padding=1, output_padding=1)}


def espnetv2(layers: Layers, inputs: Inputs, classes: int = 20) -> Outputs:
    """`ESPNetv2Segmentation` of sacmehta/EdgeNets for Cityscapes, s = 2: all its bilinear resizes align corners."""

    def activated(x: Tensor) -> Tensor:
        return layers.prelu(layers.norm(x))

    def eesp(x: Tensor, out: int, reach: int, stride: int = 1) -> Tensor:
        size = out // 4
        y = activated(layers.conv(x, size, groups=4))
        kernels = sorted(3 + 2 * k if 3 + 2 * k <= reach else 3 for k in range(4))
        seen: list[Tensor] = []
        for kernel in kernels:
            part = layers.conv(y, size, 3, stride, dilation=(kernel - 1) // 2, groups=size)
            seen.append(part + seen[-1] if seen else part)
        return layers.norm(layers.conv(activated(torch.cat(seen, 1)), out, groups=4))

    def added(x: Tensor, reach: int) -> Tensor:
        return layers.prelu(x + eesp(x, x.shape[1], reach))

    def down(x: Tensor, out: int, reach: int) -> Tensor:
        pooled = F.avg_pool2d(x, 3, 2, 1)
        y = torch.cat([pooled, eesp(x, out - x.shape[1], reach, 2)], 1)
        small = image
        while small.shape[2] != pooled.shape[2]:
            small = F.avg_pool2d(small, 3, 2, 1)
        small = activated(layers.conv(small, 3, 3))
        return layers.prelu(y + layers.norm(layers.conv(small, out)))

    def pyramid(x: Tensor) -> Tensor:
        x = activated(layers.conv(x, narrow))
        size, maps = x.shape[2:], []
        for scale in (2.0, 1.5, 1.0, 0.5, 0.1):
            other = [max(ceil(n * scale), 5) for n in size]
            y = x if scale == 1 else F.adaptive_avg_pool2d(x, other) if scale < 1 else bilinear(x, other, True)
            y = layers.conv(y, narrow, 3, groups=narrow)
            maps.append(y if scale == 1 else bilinear(y, size, True) if scale < 1 else F.adaptive_avg_pool2d(y, size))
        y = F.channel_shuffle(activated(torch.cat(maps, 1)), 5)
        return activated(layers.conv(y, narrow, 3, groups=narrow))

    def merged(x: Tensor, side: Tensor) -> Tensor:
        weight = torch.sigmoid(layers.conv(F.adaptive_avg_pool2d(side, 1), x.shape[1]))
        y = activated(layers.conv(side, x.shape[1], 3, groups=gcd(side.shape[1], x.shape[1])))
        up = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return activated(y * weight + up)

    image, narrow = inputs["image"], min(classes // 2, 16)
    full = activated(layers.conv(image, 32, 3, 2))
    half = down(full, 128, 13)
    quarter = down(half, 256, 11)
    for _ in range(3):
        quarter = added(quarter, 9)
    x = down(quarter, 512, 9)
    for _ in range(7):
        x = added(x, 7)
    for planes, side in ((64, quarter), (48, half), (32, full)):
        x = merged(activated(layers.conv(pyramid(x), planes)), side)
    return {"segmentation": bilinear(layers.conv(pyramid(x), classes, bias=True), image.shape[2:], True)}


def upernet(layers: Layers, inputs: Inputs, depths: Sequence[int], classes: int, width: int) -> Outputs:
    """`UPerNet` on a ResNet with a deep stem, of CSAILVision/semantic-segmentation-pytorch."""
    image = inputs["image"]
    x = layers.conv_norm_relu(layers.conv_norm_relu(layers.conv_norm_relu(image, 64, 3, 2), 64), 128)
    x = F.max_pool2d(x, 3, 2, 1)
    levels = []
    for stage, depth in enumerate(depths):
        for unit in range(depth):
            x = bottleneck(layers, x, 64 * 2**stage, 2 if stage and not unit else 1)
        levels.append(x)
    pooled = [layers.conv_norm_relu(bilinear(F.adaptive_avg_pool2d(x, n), x.shape[2:]), width, 1) for n in (1, 2, 3, 6)]
    top = layers.conv_norm_relu(torch.cat([x, *pooled], 1), width)
    maps = [top]
    for level in reversed(levels[:-1]):
        side = layers.conv_norm_relu(level, width, 1)
        top = side + bilinear(top, side.shape[2:])
        maps.insert(0, layers.conv_norm_relu(top, width))
    joined = torch.cat([maps[0], *(bilinear(m, maps[0].shape[2:]) for m in maps[1:])], 1)
    scores = layers.conv(layers.conv_norm_relu(joined, width), classes, bias=True)
    return {"segmentation": bilinear(scores, image.shape[2:])}


def faster_rcnn(layers: Layers, inputs: Inputs, depths: Sequence[int], classes: int, count: int) -> Outputs:
    """`_fasterRCNN` on a ResNet of jwyang/faster-rcnn.pytorch; the boxes, and what is cut out, are by itc's functions.

    Those have tests of their own: the code's boxes include their last pixel, and its samples depend on a box's size.
    """

    def stage(x: Tensor, number: int) -> Tensor:
        for unit in range(depths[number]):
            x = bottleneck(layers, x, 64 * 2**number, 2 if number and not unit else 1, early=True)
        return x

    image = inputs["image"]
    x = F.max_pool2d(layers.conv_norm_relu(image, 64, 7, 2), 3, 2, ceil_mode=True)
    for number in range(3):
        x = stage(x, number)
    y = F.relu(layers.conv(x, 512, 3, bias=True))
    background, objects = layers.conv(y, 18, bias=True).chunk(2, 1)
    scores = torch.stack([background, objects], 1).softmax(1)[:, 1]
    boxes = functions.propose_regions(scores, layers.conv(y, 36, bias=True), image, count=count)
    cut = functions.align_regions(x, boxes, scale=1 / 16).flatten(0, 1)
    y = stage(cut, 3).mean((2, 3)).unflatten(0, (len(image), count))
    label = layers.linear(y, classes)
    return {"regions": boxes, "label": label, "box": layers.linear(y, 4 * classes)}


def tiny_recursive_model(
    layers: Layers, inputs: Inputs, mixing: bool, heads: int, tokens: int, words: int, prefix: int, steps: int,
    cycles: int, thoughts: int, width: int,
) -> Outputs:  # fmt: skip
    """`TinyRecursiveReasoningModel_ACTV1` of SamsungSAILMontreal/TinyRecursiveModels, all steps, in float."""
    puzzle, table = layers.take("weight", 1, width), layers.take("weight", words, width)
    first_y, first_z = layers.take("weight", width), layers.take("weight", width)
    places = tokens + prefix

    def gated(size: int) -> Callable[[Tensor], Tensor]:
        inner = 256 * ceil(round(4 * size * 2 / 3) / 256)
        gate, up = layers.take("weight", inner, size), layers.take("weight", inner, size)
        out = layers.take("weight", size, inner)
        return lambda x: (F.silu(x @ gate.T) * (x @ up.T)) @ out.T

    def attention() -> Callable[[Tensor], Tensor]:
        q, k, v, out = (layers.take("weight", width, width) for _ in range(4))
        size = width // heads
        angles = torch.outer(torch.arange(places), 10000.0 ** -(torch.arange(0, size, 2) / size)).double()
        cosine, sine = (torch.cat([f(angles)] * 2, -1) for f in (torch.cos, torch.sin))

        def by_head(x: Tensor, weight: Tensor) -> Tensor:
            return (x @ weight.T).unflatten(-1, (heads, size)).transpose(1, 2)

        def turned(x: Tensor) -> Tensor:
            first, second = x.chunk(2, -1)
            return x * cosine + torch.cat([-second, first], -1) * sine

        def run(x: Tensor) -> Tensor:
            scores = turned(by_head(x, q)) @ turned(by_head(x, k)).mT / sqrt(size)
            return (scores.softmax(-1) @ by_head(x, v)).transpose(1, 2).flatten(-2) @ out.T

        return run

    def normed(x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5)

    blocks = [(gated(places) if mixing else attention(), gated(width)) for _ in range(2)]
    answer, (right, bias) = (
        layers.take("weight", words, width),
        (layers.take("weight", 2, width), layers.take("bias", 2)),
    )

    def level(x: Tensor) -> Tensor:
        for across, along in blocks:
            if mixing:
                turned = x.mT
                x = normed(turned + across(turned)).mT
            else:
                x = normed(x + across(x))
            x = normed(x + along(x))
        return x

    question = inputs["question"]
    head = F.pad(puzzle, (0, 0, 0, prefix - 1)).expand(len(question), -1, -1)
    x = sqrt(width) * torch.cat([head, table[question]], 1)
    y, z = first_y.expand_as(x), first_z.expand_as(x)
    outputs = {}
    for step in range(1, steps + 1):
        for _ in range(cycles):
            for _ in range(thoughts):
                z = level(z + (y + x))
            y = level(y + z)
        outputs[f"answer@{step}"] = y[:, prefix:] @ answer.T
        outputs[f"right@{step}"] = y[:, 0] @ right.T + bias
    return outputs


def universal_transformer(
    layers: Layers, inputs: Inputs, width: int, heads: int, inner: int, words: int, tokens: int, steps: int
) -> Outputs:
    """Equations 1 to 6 of Dehghani et al. (2019): encoder and decoder."""

    def attention() -> Callable[[Tensor, Tensor, bool], Tensor]:
        q, k, v, out = (layers.take("weight", width, width) for _ in range(4))

        def run(x: Tensor, context: Tensor, causal: bool) -> Tensor:
            queries, keys, values = (
                (y @ weight.T).unflatten(-1, (heads, -1)).transpose(1, 2)
                for y, weight in ((x, q), (context, k), (context, v))
            )
            scores = queries @ keys.mT / sqrt(width // heads)
            if causal:
                scores = scores.masked_fill(torch.ones_like(scores).triu(1).bool(), -torch.inf)
            return (scores.softmax(-1) @ values).transpose(1, 2).flatten(-2) @ out.T

        return run

    def norm() -> Callable[[Tensor], Tensor]:
        scale, shift = layers.take("weight", width), layers.take("bias", width)
        return lambda x: F.layer_norm(x, (width,), scale, shift)

    def transition() -> Callable[[Tensor], Tensor]:
        first, first_bias = layers.take("weight", inner, width), layers.take("bias", inner)
        second, second_bias = layers.take("weight", width, inner), layers.take("bias", width)
        return lambda x: F.linear(F.relu(F.linear(x, first, first_bias)), second, second_bias)

    angles = torch.arange(tokens)[:, None] / 10000 ** (torch.arange(0, width, 2).double() / width)
    positions = torch.stack([angles.sin(), angles.cos()], -1).flatten(-2)

    def embedded(ids: Tensor) -> Tensor:
        return sqrt(width) * F.embedding(ids, layers.take("weight", words, width))

    x = embedded(inputs["source"])
    times = layers.take("weight", steps, width)
    attend, attended, feed, fed = attention(), norm(), transition(), norm()
    for time in times:
        x = x + positions + time
        x = attended(x + attend(x, x, False))
        x = fed(x + feed(x))
    y = embedded(inputs["target"])
    times = layers.take("weight", steps, width)
    attend, attended, look, looked, feed, fed = attention(), norm(), attention(), norm(), transition(), norm()
    for time in times:
        y = y + positions + time
        y = attended(y + attend(y, y, True))
        y = looked(y + look(y, x, False))
        y = fed(y + feed(y))
    return {"next_word": F.linear(y, layers.take("weight", words, width))}
