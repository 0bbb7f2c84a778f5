"""Reads the exact text of a program back; wrong text gives coded diagnostics, and no more work than its size allows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from itc.diagnostics import CompileError, fail
from itc.ir.net import Net
from itc.ir.op import Op, RuleError
from itc.ir.parser import parse_net
from itc.ir.verifier import verify as verify_net
from itc.source import Source
from itc_tile.kernels.graph import KernelGraph
from itc_tile.kernels.kernel import Kernel
from itc_tile.machine.model import Machine
from itc_tile.program.arrays import WrongArray, read_array
from itc_tile.program.program import (
    Buffer,
    OperandTransfer,
    OutputTransfer,
    ParameterTransfer,
    Pipeline,
    Placement,
    Program,
    Shards,
    Supersteps,
    TransferTable,
)
from itc_tile.program.steps import ExchangeStep, without_exchanges
from itc_tile.program.text import VERSION
from itc_tile.program.verify import verify
from itc_tile.tiling.partition import Split
from itc_tile.tiling.region import Region

T = TypeVar("T")
#: Numbers of all arrays together, and characters of a text.
MOST_NUMBERS, MOST_CHARACTERS = 1 << 26, 1 << 28
#: Bytes of an element.
ELEMENT_BYTES = (1, 2, 4, 8)
NAME = r'("(?:[^"\\]|\\.)*")'
PARTITION = re.compile(r"partition (\d{1,7}) x (\d{1,7}) x (\d{1,7})")
KERNEL = re.compile(rf"kernel {NAME} parameters (\d{{1,4}}) of (\d{{1,4}})")
OPERAND = re.compile(rf"operand {NAME} (\d{{1,4}}) %(\w+) from {NAME}")
OUTPUT = re.compile(rf"output {NAME} %(\w+) from {NAME} shape ?(.*)")
PARAMETER = re.compile(rf"parameter {NAME} (\d{{1,4}}) @([\w.]+)")
BUFFER = re.compile(rf"buffer {NAME} {NAME} {NAME}")
PIPELINE = re.compile(r"pipeline (\d{1,18})")
SUPERSTEPS = re.compile(r"supersteps of (\d{1,9})")
KEPT = re.compile(rf"  kept {NAME} (\d{{1,4}})")
DEPTH = re.compile(rf"  depth {NAME} (-?\d{{1,4}}) (\d{{1,9}})")


def parse_program(text: str, name: str = "<program>") -> Program:
    """The program of a text, verified. Raises CompileError: E0550 for wrong text, else as `verify` does."""
    program = _Reader(name, text).program()
    verify(program)
    return program


@dataclass
class _Reader:
    """Walks the lines of a text; counts the numbers of its arrays."""

    name: str
    text: str
    at: int = 0
    numbers: int = MOST_NUMBERS

    def __post_init__(self) -> None:
        if len(self.text) > MOST_CHARACTERS:
            raise fail("E0550", f"{self.name}: a program has at most {MOST_CHARACTERS:,} characters")
        self.lines = self.text.split("\n")

    def program(self) -> Program:
        if self.next() != f"program {VERSION}":
            raise self.wrong(f"a program of version {VERSION} begins with `program {VERSION}`")
        machine = self.machine()
        schedules = list(self.many(SUPERSTEPS, self.supersteps))
        kernels, placements = self.kernels()
        self.expect("steps")
        net = self.net(kernels)
        fused = verify_net(replace(net, body=without_exchanges(net.body)))
        graph = KernelGraph(fused, replicated=not schedules)
        edges = tuple(self.many(OPERAND, self.operand))
        exits = tuple(self.many(OUTPUT, self.output))
        loads = tuple(self.many(PARAMETER, self.parameter))
        buffers = tuple(self.many(BUFFER, self.buffer))
        pipelines = list(self.many(PIPELINE, self.pipeline))
        if self.peek() is not None:
            raise self.wrong("unexpected line")
        pipeline = pipelines[0] if pipelines else None
        supersteps = schedules[0] if schedules else None
        return Program(graph, machine, placements, edges, exits, loads, net.body, buffers, pipeline, supersteps)

    # Lines

    def peek(self) -> str | None:
        """The next line; none at the end, which is an empty line."""
        if self.at >= len(self.lines) or (self.at == len(self.lines) - 1 and not self.lines[self.at]):
            return None
        return self.lines[self.at]

    def next(self) -> str:
        line = self.peek()
        if line is None:
            raise self.wrong("the text ends too early")
        self.at += 1
        return line

    def expect(self, line: str) -> None:
        if self.next() != line:
            self.at -= 1
            raise self.wrong(f"expected `{line}`")

    def wrong(self, message: str) -> CompileError:
        """The error at the line that was read last."""
        at = min(max(self.at - 1, 0), len(self.lines) - 1)
        start = sum(len(line) + 1 for line in self.lines[:at])
        line = self.lines[at]
        source = Source(self.name, self.text) if len(line) < 1000 else Source(self.name, line[:1000])
        first = start if len(line) < 1000 else 0
        return fail("E0550", f"this is no text of a program: {message}", source.span(first, first + max(len(line), 1)))

    def match(self, pattern: re.Pattern[str], what: str) -> re.Match[str]:
        match = pattern.fullmatch(self.next())
        if match is None:
            raise self.wrong(f"expected {what}")
        return match

    def many(self, pattern: re.Pattern[str], read: Callable[[re.Match[str]], T]) -> Iterator[T]:
        """Every item whose first line has a form."""
        while (line := self.peek()) is not None and (match := pattern.fullmatch(line)):
            self.at += 1
            yield read(match)

    def quoted(self, text: str) -> str:
        try:
            return str(json.loads(text))
        except ValueError:
            raise self.wrong("a name is a JSON string") from None

    def array(self, head: str, length: int | None = None) -> Shards:
        """The array behind `head`, of `length` if that is known."""
        line = self.next()
        if line != f"  {head}" and not line.startswith(f"  {head} "):
            raise self.wrong(f"expected `  {head}` and numbers")
        try:
            found = read_array(line[len(head) + 2 :], self.numbers)
        except WrongArray as error:
            raise self.wrong(str(error)) from None
        self.numbers -= len(found)
        if length is not None and len(found) != length:
            raise self.wrong(f"{len(found)} numbers where there are {length}")
        return found

    # Parts

    def machine(self) -> Machine:
        line = self.next()
        try:
            data = json.loads(line.removeprefix("machine "))
            if isinstance(data, dict) and isinstance(data.get("grid"), list):
                data["grid"] = tuple(data["grid"])
            return Machine.model_validate(data)
        except (ValueError, ValidationError, RecursionError, TypeError) as error:
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is no JSON object"
            raise self.wrong(f"the machine is wrong: {reason}") from None

    def kernels(self) -> tuple[dict[str, Kernel], dict[str, Placement]]:
        kernels: dict[str, Kernel] = {}
        placements: dict[str, Placement] = {}
        for kernel, placement in self.many(KERNEL, self.kernel):
            if kernel.label in kernels:
                raise self.wrong(f"two kernels are called {kernel.label!r:.60}")
            kernels[kernel.label], placements[kernel.label] = kernel, placement
        return kernels, placements

    def kernel(self, match: re.Match[str]) -> tuple[Kernel, Placement]:
        label, params, formals = self.quoted(match[1]), int(match[2]), int(match[3])
        line = self.next()
        sizes = PARTITION.fullmatch(line.strip())
        if sizes is None:
            raise self.wrong("expected `partition CHANNELS x ROWS x COLUMNS`")
        split = Split(*(int(size) for size in sizes.groups()))
        (replicas,) = self.array("replicas", 1).tolist()
        tiles = self.array("tiles")
        if not 0 < split.shards <= 1 << 20 or not 0 < replicas <= 1 << 20 or len(tiles) != replicas * split.shards:
            raise self.wrong("the tiles are not those of the partition and the replicas")
        body = verify_net(parse_net(self.block(), self.name))
        values = body.inputs
        if not params <= formals <= len(values) or params == formals or len(body.outputs) != 1 or body.params:
            raise self.wrong("a kernel has inputs, parameters and one result")
        inputs, parameters = values[: formals - params], values[formals - params : formals]
        statements = tuple(s for s in body.body if not isinstance(s, Net))
        if any(not hasattr(s, "op") for s in statements):
            raise self.wrong("the body of a kernel has operations alone")
        kernel = Kernel(label, statements, inputs, parameters, body.outputs[0].value)  # type: ignore[arg-type]
        return kernel, Placement(label, split, tiles.reshape(replicas, -1))

    def block(self) -> str:
        """The lines of an indented net."""
        lines = [self.next()]
        while lines[-1] != "  }":
            lines.append(self.next())
        return "\n".join(line[2:] for line in lines) + "\n"

    def net(self, kernels: dict[str, Kernel]) -> Net:
        lines = [self.next()]
        while lines[-1] != "}":
            lines.append(self.next())
        return parse_net("\n".join(lines) + "\n", self.name, {"kernel": _kernel_of(kernels), "exchange": _exchange})

    def table(self) -> TransferTable:
        (element,) = self.array("bytes", 1).tolist()
        if element not in ELEMENT_BYTES:
            raise self.wrong(f"an element has {', '.join(map(str, ELEMENT_BYTES))} bytes")
        source = self.array("source")
        rows = len(source)
        target = self.array("target", rows)
        axes: list[Shards] = []
        while (line := self.peek()) is not None and line.startswith(f"  first {len(axes)}"):
            first, end = self.array(f"first {len(axes)}", rows), self.array(f"end {len(axes)}", rows)
            axes.append(np.stack([first, end], axis=-1))
        positions: dict[int, Shards] = {}
        while (line := self.peek()) is not None and (match := re.match(r"  positions (\d{1,2})\b", line)):
            positions[int(match[1])] = self.array(f"positions {match[1]}")
        boxes = np.stack(axes, axis=1) if axes else np.zeros((rows, 0, 2), np.int64)
        self.bounded(boxes, positions)
        return TransferTable(source, target, Region(boxes, positions), element)

    def bounded(self, boxes: Shards, positions: dict[int, Shards]) -> None:
        if boxes.size and (boxes.min() < 0 or boxes.max() > 1 << 40 or (boxes[..., 0] > boxes[..., 1]).any()):
            raise self.wrong("a region begins behind its end")
        for axis, table in positions.items():
            if axis >= boxes.shape[1] or not len(table) or boxes[:, axis].max(initial=0) > len(table):
                raise self.wrong("a region of an axis that has no such positions")

    def operand(self, match: re.Match[str]) -> OperandTransfer:
        consumer, producer = self.quoted(match[1]), self.quoted(match[4])
        return OperandTransfer(consumer, int(match[2]), match[3], producer, self.table())

    def output(self, match: re.Match[str]) -> OutputTransfer:
        try:
            shape = tuple(read_array(match[4], 64).tolist())
        except WrongArray as error:
            raise self.wrong(str(error)) from None
        return OutputTransfer(self.quoted(match[1]), match[2], shape, self.quoted(match[3]), self.table())

    def parameter(self, match: re.Match[str]) -> ParameterTransfer:
        return ParameterTransfer(self.quoted(match[1]), int(match[2]), match[3], self.table())

    def buffer(self, match: re.Match[str]) -> Buffer:
        kernel, content, name = (self.quoted(text) for text in match.groups())
        address = self.array("address")
        return Buffer(kernel, content, name, address, self.array("bytes", len(address)))

    def pipeline(self, match: re.Match[str]) -> Pipeline:
        depths = {}
        while (line := self.peek()) is not None and (depth := DEPTH.fullmatch(line)):
            self.at += 1
            depths[self.quoted(depth[1]), int(depth[2])] = int(depth[3])
        return Pipeline(int(match[1]), depths)

    def supersteps(self, match: re.Match[str]) -> Supersteps:
        kept = self.many(KEPT, lambda each: (self.quoted(each[1]), int(each[2])))
        return Supersteps(int(match[1]), tuple(kept))


def _kernel_of(kernels: dict[str, Kernel]) -> Callable[[dict[str, Any]], Op]:
    def build(attributes: dict[str, Any]) -> Op:
        label = attributes.get("label")
        if not isinstance(label, str) or label not in kernels:
            raise RuleError(f"there is no kernel {label!r:.60}")
        ops = tuple(apply.op.name for apply in kernels[label].body)
        if attributes != {"label": label, "ops": ops}:
            raise RuleError("a kernel has its `label` and the names of its `ops`")
        return kernels[label]

    return build


def _exchange(attributes: dict[str, Any]) -> Op:
    to, outputs = attributes.get("to", ()), attributes.get("outputs", ())
    pairs = isinstance(to, tuple) and all(
        isinstance(p, tuple) and len(p) == 2 and isinstance(p[0], str) and type(p[1]) is int for p in to
    )
    named = isinstance(outputs, tuple) and all(isinstance(name, str) for name in outputs)
    if not pairs or not named or set(attributes) - {"to", "outputs"}:
        raise RuleError("an exchange sends `to` operands and `outputs`")
    return ExchangeStep(to, outputs)
