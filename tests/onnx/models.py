"""Models run by onnxruntime, and their outputs beside the interpreter's."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnxruntime

from itc.arguments import completed
from itc.interpreter import interpret
from itc.ir.net import Net
from itc.ir.op import Array
from itc_onnx import export

Arrays = Mapping[str, Array]


def run_model(net: Net, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
    """The outputs by label, by onnxruntime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        export(net, weights).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return dict(zip(net.labels, session.run(list(net.labels), completed(net, inputs)), strict=True))


def difference(net: Net, inputs: Arrays, weights: Arrays) -> float:
    """The largest max |a - b| / max |b| of any output; integers and counts of iterations must be equal."""
    outputs, expected = run_model(net, inputs, weights), interpret(net, inputs, weights)
    worst = 0.0
    for label, reference in expected.items():
        assert outputs[label].shape == reference.shape
        assert outputs[label].dtype == reference.dtype
        if label.endswith(".iterations") or not np.issubdtype(reference.dtype, np.floating):
            np.testing.assert_array_equal(outputs[label], reference, label)
        worst = max(worst, float(np.abs(outputs[label] - reference).max() / max(np.abs(reference).max(), 1e-12)))
    return worst
