"""The torch backend: nets as torch.fx modules and as standalone Python. Needs PyTorch: the extra `torch`."""

try:
    import torch.fx as _fx  # noqa: F401
except ImportError as error:
    raise ImportError("itc_torch needs PyTorch: pip install 'itc-compiler[torch]'") from error

from itc_torch.anytime import anytime
from itc_torch.backend import Form, TorchBackend, backend, lower, text
from itc_torch.emit import emit_module
from itc_torch.lowerings import LOWERINGS, register
from itc_torch.network import Network
from itc_torch.parameters import init, load_weights
from itc_torch.ponder import ponder_cost
from itc_torch.run import run

__all__ = [
    "LOWERINGS", "Form", "Network", "TorchBackend", "anytime", "backend", "emit_module", "init", "load_weights",
    "lower", "ponder_cost", "register", "run", "text",
]  # fmt: skip
