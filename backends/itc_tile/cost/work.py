"""Work of a kernel: a kernel and the boxes of its values go in, counts for each shard come out. Knows no machine.

Pointwise operations in a row are one pass over the data: vectors are loaded and stored once. A result that the exchange
writes in place takes no work. A kernel of nothing but identities (dropout at inference) copies its input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from itc.ir.net import Apply, Value
from itc.ir.types import DTYPE_BYTES
from itc_tile.kernels.kernel import Kernel
from itc_tile.ops.record import Product, ShardedOp, VectorPass, Work, tile_op
from itc_tile.tiling.boxes import Boxes, volume
from itc_tile.tiling.sets import Ints

#: Element types that units are for, the widest first.
UNIT_TYPES = ("f32", "f16", "i8")
Regions = Mapping[str, Boxes]
"""Boxes [..., rank, 2] of every value of a kernel's body, by formal name."""


@dataclass(frozen=True)
class KernelWork:
    """Counts of one execution of a kernel on each shard.

    `loaded` are bytes of the inputs and parameters, each element once, and `stored` those of the result.
    """

    products: tuple[Product, ...]
    passes: tuple[VectorPass, ...]
    loaded: Ints
    stored: Ints

    @property
    def computes(self) -> bool:
        """Whether the units have work: the exchange does not write the whole result."""
        return bool(self.products or self.passes)


def kernel_work(kernel: Kernel, regions: Regions, images: int = 1) -> KernelWork:
    """The counts of a kernel whose shards hold `regions`, for so many images at once: parameters are loaded once."""
    products: list[Product] = []
    passes: list[VectorPass] = []
    selected: dict[str, Ints] = {}
    before: Apply | None = None  # the pointwise operation whose pass may go on
    for apply in kernel.body:
        work = _typed(_work(apply, regions), *unit_types(kernel, apply))
        selected |= {apply.values[position].name: most for position, most in work.selected.items()}
        if apply.result.name in kernel.in_place:
            continue
        goes_on = apply.op.pointwise and before is not None and before.result in apply.values
        products += work.products
        passes += _continued(work) if goes_on else work.passes
        before = apply if apply.op.pointwise and (work.passes or goes_on) else None
    if kernel.body and not (products or passes or kernel.in_place):
        passes.append(VectorPass(volume(regions[kernel.result.name]), access=1, dtype=unit_type(kernel.result)))
    return KernelWork(
        tuple(replace(each, positions=each.positions * images) for each in products),
        tuple(replace(each, elements=each.elements * images, rows=each.rows * images) for each in passes),
        *_moved(kernel, regions, selected, images),
    )


def _work(apply: Apply, regions: Regions) -> Work:
    operands = tuple(regions[value.name] for value in apply.values)
    return tile_op(apply.op).work(ShardedOp(apply, operands, regions[apply.result.name]))


def unit_types(kernel: Kernel, apply: Apply) -> tuple[str, str]:
    """The element types of the units for an operation's products, and for its passes, which is the widest."""
    found = [value for value in apply.values if value not in kernel.params and value.tensor.dtype in UNIT_TYPES]
    product = found[0].tensor.dtype if found else unit_type(apply.result)
    types = {value.tensor.dtype for value in found} or {unit_type(apply.result)}
    if apply.result.tensor.dtype in UNIT_TYPES:
        types.add(apply.result.tensor.dtype)
    return product, next(type for type in UNIT_TYPES if type in types)


def unit_type(value: Value) -> str:
    """The element type of the unit for a value: integers but i8, and truth values, are computed on the unit for f32."""
    dtype = value.tensor.dtype
    return dtype if dtype in UNIT_TYPES else "f32"


def _typed(work: Work, product: str, each: str) -> Work:
    products = tuple(replace(found, dtype=product) for found in work.products)
    return replace(work, products=products, passes=tuple(replace(found, dtype=each) for found in work.passes))


def _continued(work: Work) -> list[VectorPass]:
    """The passes of an operation that is computed in the pass of the one before."""
    return [replace(each, access=0, call=False) for each in work.passes]


def _moved(kernel: Kernel, regions: Regions, selected: Mapping[str, Ints], images: int) -> tuple[Ints, Ints]:
    """Bytes loaded and bytes stored. Values select at most so many elements of some operands."""
    loaded = np.zeros((), np.int64)
    for value in kernel.inputs + kernel.params:
        if value.name in kernel.read:
            elements = volume(regions[value.name])
            times = 1 if value in kernel.params else images
            loaded = loaded + times * _bytes(value, np.minimum(elements, selected.get(value.name, elements)))
    return loaded, images * _bytes(kernel.result, volume(regions[kernel.result.name]))


def _bytes(value: Value, elements: Ints) -> Ints:
    return np.asarray(elements * DTYPE_BYTES[value.tensor.dtype])
