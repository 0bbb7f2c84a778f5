"""A net and its weights as an ONNX model, checked, and its file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto, helper

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.files import write_bytes
from itc.ir.net import Apply, Loop, Net, walk
from itc.ir.op import Array
from itc.ir.precision import precision
from itc.ir.types import NUMPY_NAMES, SeriesType
from itc.weights import argument_faults
from itc_onnx.graph import Graph, value_info
from itc_onnx.lowerings import unsupported
from itc_onnx.statements import Statements, value_name

OPSET = 20
IR_VERSION = 10  # of onnxruntime 1.20 and later
#: Iterations of a loop at most: tables of parameter sets have an entry for each.
MOST_ITERATIONS = 100_000
#: The largest message that protobuf can hold.
MOST_BYTES = 2**31 - 1


def export(net: Net, weights: Mapping[str, Array]) -> ModelProto:
    """The ONNX model of `net` at inference, with its weights; the batch axis is symbolic.

    Inputs keep their names (optional ones are required), outputs are named by their labels, as `seg@4`. Loops are
    `Loop` nodes, so the number of nodes does not depend on their iterations. A loop that halts ends when all samples
    of the batch have halted; masks keep those that halted before, so that each sample has its own result.

    Raises CompileError: E0571 for quantised nets, E0580 for operations without a lowering, E0581 for loops that cannot
    be expressed, E0582 for parameters of more than 2 GiB; and as `itc.weights.argument_faults` does.
    """
    check(net)
    shapes = {param.key: param.shape for param in net.params}
    if faults := [*argument_faults(weights, shapes, "`weights`", net.name)]:
        raise CompileError(faults)
    graph = Graph()
    for param in net.params:
        graph.tensor(param.key, np.asarray(weights[param.key], NUMPY_NAMES[param.type.dtype]))
    for value in net.inputs:
        graph.node("Identity", [value.name], [value_name(value.name)])
    Statements(net, graph).append(net.body)
    outputs = _outputs(net, graph)
    inputs = [value_info(value.name, value.type) for value in net.inputs]
    whole = helper.make_graph(graph.scopes[0], net.name, inputs, outputs, [*graph.constants.values()])
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(whole, producer_name="itc", opset_imports=opsets, ir_version=IR_VERSION)
    onnx.checker.check_model(model)
    return model


def _outputs(net: Net, graph: Graph) -> list[onnx.ValueInfoProto]:
    """Appends a node for each label, and returns their declarations."""
    infos = []
    for output in net.outputs:
        name = value_name(output.value.name)
        for position, label in enumerate(output.labels):
            type = output.value.type
            if isinstance(type, SeriesType):
                graph.node("SequenceAt", [name, graph.integer(position)], [label])
                type = type.element
            else:
                graph.node("Identity", [name], [label])
            infos.append(value_info(label, type))
    return infos


def check(net: Net) -> None:
    """Raises CompileError where a net cannot be exported (E0571, E0580 to E0582)."""
    if (elements := precision(net)) != "f32":
        help = "export the network in f32, without the pass `quantize`"
        message = f"{net.name} is quantised to {elements}, which is not exported to ONNX"
        raise fail("E0571", message, net.span, help=help)
    statements = [*walk(net.body)]
    missing = {type(s.op): _no_node(s) for s in reversed(statements) if isinstance(s, Apply) and unsupported(s.op)}
    faults = [*missing.values(), *(fault for s in statements if isinstance(s, Loop) and (fault := _loop_fault(s)))]
    size = sum(param.bytes for param in net.params)
    if size > MOST_BYTES:
        message = f"the parameters of {net.name} take {size:,} bytes, and an ONNX file holds {MOST_BYTES:,} at most"
        faults.append(Diagnostic("E0582", message, Label(net.span) if net.span else None))
    if faults:
        raise CompileError(faults)


def _no_node(apply: Apply) -> Diagnostic:
    message = f"there is no lowering of the operation `{apply.op.name}` to ONNX"
    return Diagnostic("E0580", message, Label(apply.span) if apply.span else None, help="export a network without it")


def _loop_fault(loop: Loop) -> Diagnostic | None:
    label = Label(loop.span) if loop.span else None
    if loop.count > MOST_ITERATIONS:
        message = f"a loop of {loop.count:,} iterations: the tables of the model would have as many entries"
        return Diagnostic("E0581", message, label, help=f"at most {MOST_ITERATIONS:,} iterations")
    if loop.halt and loop.emits:
        help = "give the network one output behind the loop"
        return Diagnostic("E0581", "exits in a loop that halts cannot be exported", label, help=help)
    return None


def save(path: str | Path, net: Net, weights: Mapping[str, Array]) -> None:
    """Writes the model of `net` to a file, whole or not at all. Raises CompileError as `export` does."""
    write(Path(path), export(net, weights))


def write(path: Path, model: ModelProto) -> int:
    """Writes a model to a file, whole or not at all, and returns its bytes."""
    content = model.SerializeToString()
    write_bytes(path, content)
    return len(content)
