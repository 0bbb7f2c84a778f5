"""Values of convolutions on stacks of shards, each with a weight of its own.

Stacks are [shards, batch, channels, rows, columns] with the padding in place; weights [shards, 1, out, in, ky, kx].
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from itc.ir.op import Array
from itc.ir.ops.conv import Conv
from itc_tile.tiling.boxes import Boxes
from itc_tile.tiling.moves import largest

CHUNK = 1 << 21  # elements of the unfolded windows that are made at once


@dataclass(frozen=True)
class Convolution:
    """A convolution whose shards hold the boxes `read` of its operand and make the boxes `made` of its result."""

    op: Conv
    weight: tuple[int, ...]
    read: Boxes
    made: Boxes

    @property
    def out_per_group(self) -> int:
        return self.weight[0] // self.op.groups

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the result's stack."""
        _, rows, columns = largest(self.made)
        return rows, columns

    def plan(self) -> Callable[[Array, Array], Array]:
        """The way to compute it: channel by channel, whole groups at once, or shard by shard where groups are cut."""
        if self.weight[1] == self.out_per_group == 1:
            return self.depthwise
        ends = self.made[:, 0]
        if self.op.groups == 1 or not (ends % self.out_per_group).any():
            return self.grouped
        return self.cut_groups

    def taps(self, x: Array) -> Iterator[Array]:
        """What each place of the kernel sees: stacks of the result's size, in the order of the weight's last axes."""
        (rows, columns), (sy, sx), (dy, dx) = self.size, self.op.stride, self.op.dilation
        for i in range(self.weight[2]):
            for j in range(self.weight[3]):
                down = slice(i * dy, i * dy + sy * (rows - 1) + 1, sy)
                across = slice(j * dx, j * dx + sx * (columns - 1) + 1, sx)
                yield x[..., down, across]

    def depthwise(self, x: Array, weight: Array) -> Array:
        kernels = weight[:, :, :, 0].reshape(*weight.shape[:3], -1, 1, 1)
        out = np.zeros((*x.shape[:3], *self.size), np.result_type(x, weight))
        for position, seen in enumerate(self.taps(x)):
            out += seen * kernels[:, :, :, position]
        return out

    def grouped(self, x: Array, weight: Array) -> Array:
        """Whole groups: the operand's channels and the result's lie in the same order, group by group."""
        shards, batch = x.shape[:2]
        groups = 1 if self.op.groups == 1 else weight.shape[2] // self.out_per_group
        weight = weight.reshape(shards, 1, groups, weight.shape[2] // groups, -1)
        rows, columns = self.size
        out = np.empty((shards, batch, groups * weight.shape[3], rows * columns), np.result_type(x, weight))
        step = max(1, CHUNK // (batch * groups * weight.shape[-1] * rows * columns))
        for first in range(0, shards, step):
            chunk = slice(first, first + step)
            products = np.matmul(weight[chunk], self.unfolded(x[chunk], groups))
            out[chunk] = products.reshape(out[chunk].shape)
        return out.reshape(*out.shape[:3], rows, columns)

    def unfolded(self, x: Array, groups: int) -> Array:
        """The windows as columns: [shards, batch, groups, inputs x taps, places]."""
        rows, columns = self.size
        taps = self.weight[2] * self.weight[3]
        if taps == 1 and self.op.stride == (1, 1):
            return x.reshape(*x.shape[:2], groups, -1, rows * columns)
        out = np.empty((*x.shape[:3], taps, rows, columns), x.dtype)
        for position, seen in enumerate(self.taps(x)):
            out[:, :, :, position] = seen
        return out.reshape(*x.shape[:2], groups, -1, rows * columns)

    def cut_groups(self, x: Array, weight: Array) -> Array:
        """Groups that are cut between shards: every group of every shard by itself."""
        shards, batch = x.shape[:2]
        out = np.zeros((shards, batch, weight.shape[2], *self.size), np.result_type(x, weight))
        seen = self.unfolded(x, x.shape[2])
        for shard, (first, end) in enumerate(self.made[:, 0]):
            for group in range(first // self.out_per_group, -(-end // self.out_per_group)):
                low = max(first, group * self.out_per_group)
                high = min(end, (group + 1) * self.out_per_group)
                at = group * self.weight[1] - self.read[shard, 0, 0]
                columns = seen[shard, :, at : at + self.weight[1]].reshape(batch, -1, seen.shape[-1])
                kernels = weight[shard, 0, low - first : high - first].reshape(high - low, -1)
                out[shard, :, low - first : high - first] = (kernels @ columns).reshape(batch, -1, *self.size)
        return out
