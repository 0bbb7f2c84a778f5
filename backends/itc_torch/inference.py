"""Inference on arrays: the counterpart of `itc.interpreter.interpret`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from itc.ir.op import Array
from itc_torch.names import argument_names


def run(module: nn.Module, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """An array [batch, ...] for each output label; `inputs` has one for each input. The module keeps its mode."""
    training = module.training
    module.eval()
    try:
        with torch.inference_mode():
            names = argument_names(inputs)
            outputs = module(
                **{names[name]: torch.from_numpy(np.ascontiguousarray(array)) for name, array in inputs.items()}
            )
    finally:
        module.train(training)
    return {label: output.numpy(force=True) for label, output in outputs.items()}
