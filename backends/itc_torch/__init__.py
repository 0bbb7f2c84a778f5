"""The torch backend: nets as torch.fx modules and as standalone Python. Needs PyTorch: the extra `torch`.

All but the record of what the backend offers is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from itc_torch.backend import backend

if TYPE_CHECKING:
    from itc_torch.early_outputs import anytime
    from itc_torch.emit import emit_module
    from itc_torch.inference import run
    from itc_torch.lowerings import LOWERINGS, register
    from itc_torch.module import Form, lower, text
    from itc_torch.network import Network
    from itc_torch.parameters import init, load_weights
    from itc_torch.ponder import ponder_cost

#: The module of each name.
_HOME = {
    "anytime": "early_outputs", "emit_module": "emit", "Form": "module", "init": "parameters",
    "load_weights": "parameters", "lower": "module", "LOWERINGS": "lowerings", "Network": "network",
    "ponder_cost": "ponder", "register": "lowerings", "run": "inference", "text": "module",
}  # fmt: skip

__all__ = [
    "Form", "LOWERINGS", "Network", "anytime", "backend", "emit_module", "init", "load_weights", "lower",
    "ponder_cost", "register", "run", "text",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'itc_torch' has no attribute {name!r}")
    try:
        import torch.fx  # noqa: F401, PLC0415
    except ImportError as error:
        raise ImportError("itc_torch needs PyTorch: pip install 'itc-compiler[torch]'") from error
    return getattr(import_module(f"itc_torch.{_HOME[name]}"), name)
