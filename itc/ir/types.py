"""Types of values: tensors, without their batch axis, and series (tensors collected by a loop)."""

from __future__ import annotations

from math import prod

from itc.records import dataclass

DTYPE_BYTES = {"f32": 4, "f16": 2, "i64": 8, "i32": 4, "i8": 1, "bool": 1}
FLOATS = frozenset({"f32", "f16"})
NUMPY_NAMES = {"f32": "float32", "f16": "float16", "i64": "int64", "i32": "int32", "i8": "int8", "bool": "bool"}


@dataclass(frozen=True, slots=True)
class TensorType:
    """`f32[3, 360, 480]`: element type and sizes; the batch is implicit."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements of one sample."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * DTYPE_BYTES[self.dtype]

    @property
    def channels(self) -> int:
        """Size of the channel axis: -3 for maps, -1 for vectors and tokens."""
        return self.shape[self.channel_axis]

    @property
    def channel_axis(self) -> int:
        return -3 if len(self.shape) >= 3 else -1

    def with_shape(self, shape: tuple[int, ...]) -> TensorType:
        return TensorType(self.dtype, shape)

    def with_dtype(self, dtype: str) -> TensorType:
        return TensorType(dtype, self.shape)

    def __str__(self) -> str:
        return f"{self.dtype}[{', '.join(map(str, self.shape))}]"


@dataclass(frozen=True, slots=True)
class SeriesType:
    """`8 x f32[11, 360, 480]`: tensors collected by a loop, in order of the iterations."""

    count: int
    element: TensorType

    @property
    def bytes(self) -> int:
        return self.count * self.element.bytes

    def __str__(self) -> str:
        return f"{self.count} x {self.element}"


Type = TensorType | SeriesType
