"""The section `supersteps` of a machine file: what a bulk-synchronous program of the machine costs, layer by layer.

A program alternates between exchange, synchronisation and compute. The units are keyed by the precision of operands
and of sums. The constants of `fitted` are the only ones of the model that come from a fit.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from itc_tile.machine.quantities import ByteRate, Count, Cycles, Factor, Memory, PartCycles, Share
from itc_tile.machine.section import Section

Precision = Literal["f16 into f32", "f16 into f16"]


class ConvolutionUnits(Section):
    """The units of a tile that convolve: each holds some weights, past which the field is streamed."""

    units: Count = Field(description="units that work side by side, one output channel each", examples=["8"])
    weights: Count = Field(description="weights that a unit holds", examples=["16"])
    load: ByteRate = Field(description="bytes of weights loaded into the units in a cycle", examples=["8 B/cycle"])


class Fitted(Section):
    """Constants fitted to expected cycles of whole layers; the same for all layers."""

    exchange: Factor = Field(description="cycles of an exchange over bytes / bandwidth", examples=["1.09"])
    rearrange: PartCycles = Field(
        description="cycles to bring a byte into another order of axes, its exchange included", examples=["1.1 cycles"]
    )
    regroup: PartCycles = Field(
        description="cycles to move a byte in blocks to where the next layer expects it", examples=["0.18 cycles"]
    )
    layer: Cycles = Field(
        description="synchronisation and control of all supersteps of a layer", examples=["1970 cycles"]
    )
    code: Memory = Field(description="code and state of a tile, for one program of layers", examples=["6 KiB"])


class Supersteps(Section):
    """Planning and cost of layers that run one after the other on all tiles."""

    convolution: dict[Precision, ConvolutionUnits] = Field(
        description="convolution units, by the precision of operands and sums", min_length=1
    )
    bus: Count = Field(description="tiles that share a bus and receive the same data at once", examples=["2"])
    temporary: Share = Field(description="share of a tile's memory for the temporaries of a layer", examples=["0.6"])
    interleaved: Memory = Field(
        description="address from which the memory of a tile is interleaved: there the units accumulate",
        examples=["208 KiB"],
    )
    reference: str = Field(
        "", max_length=80, description="name of this machine in files of expected cycles", examples=["IpuModel2"]
    )
    fitted: Fitted
