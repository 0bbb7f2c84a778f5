"""Records of operations, by type in the IR; each module registers those of one family."""

from itc_tile.ops import convolution, lookups, pointwise, pooling, products, rearrange, reductions, resizing
from itc_tile.ops.record import Evaluation, Product, ShardedOp, TileOp, VectorPass, Work, register, tile_op, tile_ops

__all__ = [
    "Evaluation", "Product", "ShardedOp", "TileOp", "VectorPass", "Work", "convolution", "lookups", "pointwise",
    "pooling", "products", "rearrange", "reductions", "register", "resizing", "tile_op", "tile_ops",
]  # fmt: skip
