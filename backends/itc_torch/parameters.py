"""Where a module's weights live: one tensor for each key of the IR, all sets in it, trained or a buffer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from itc import weights
from itc.analysis.workload import LIBRARIES, check_weights
from itc.diagnostics import CompileError
from itc.ir import Net
from itc.ir.op import Array
from itc.ir.types import NUMPY_NAMES

Parameters = Callable[[Net], dict[str, Tensor]]

#: Bytes that loading torch takes.
LIBRARIES["torch"] = 192 * 2**20


def tensors(net: Net) -> dict[str, Tensor]:
    """Every parameter with the values of `weights.initial`: an nn.Parameter if trained, else a tensor (E0665)."""
    check_weights(net)
    values = weights.initial(net)
    typed = {
        param.key: torch.from_numpy(values[param.key].astype(NUMPY_NAMES[param.type.dtype])) for param in net.params
    }
    return {param.key: nn.Parameter(typed[param.key]) if param.trained else typed[param.key] for param in net.params}


def shared(values: Mapping[str, Array]) -> Parameters:
    """Parameters, of which none is trained, that share the memory of these arrays where these have their types."""

    def made(net: Net) -> dict[str, Tensor]:
        arrays = {p.key: np.asarray(values[p.key], NUMPY_NAMES[p.type.dtype]) for p in net.params}
        given = {
            key: torch.from_numpy(array if array.flags.writeable else array.copy()) for key, array in arrays.items()
        }
        return {
            p.key: nn.Parameter(given[p.key], requires_grad=False) if p.trained else given[p.key] for p in net.params
        }

    return made


def placeholders(net: Net) -> dict[str, Tensor]:
    """Every parameter without elements, where only the graphs are wanted."""
    return {param.key: nn.Parameter(torch.empty(0)) if param.trained else torch.empty(0) for param in net.params}


def init(module: nn.Module, net: Net, seed: int = 0) -> None:
    """Gives every parameter fresh values: those of `itc.weights.initial(net, seed)`."""
    load_weights(module, weights.initial(net, seed))


def load_weights(module: nn.Module, values: Mapping[str, Array]) -> None:
    """Copies arrays into the module. Raises CompileError for keys, shapes and types that are wrong (E0612 to E0614)."""
    state = module.state_dict()
    wanted = {key: tuple(value.shape) for key, value in state.items()}
    narrow = {key for key, value in state.items() if value.dtype == torch.int8}
    faults = weights.argument_faults(values, wanted, "what is loaded", "the module", narrow)
    if faults:
        raise CompileError(faults)
    module.load_state_dict({key: as_tensor(value) for key, value in values.items()})


def as_tensor(value: Any) -> Any:
    """An array as a tensor that shares nothing with it; whatever else it is as it is."""
    return torch.from_numpy(np.array(value, value.dtype.newbyteorder("="))) if isinstance(value, np.ndarray) else value
