"""itc: a declarative compiler for iterative neural networks.

The public names are imported on first use, so that `import itc.ir` needs neither the language nor a backend.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from itc.diagnostics import CompileError, Diagnostic
    from itc.driver import Compiled, Network, load
    from itc.sweeps import Sweep, sweep
    from itc.version import __version__

_HOME = {
    "CompileError": ("itc.diagnostics", "CompileError"),
    "Compiled": ("itc.driver", "Compiled"),
    "Diagnostic": ("itc.diagnostics", "Diagnostic"),
    "Network": ("itc.driver", "Network"),
    "Sweep": ("itc.sweeps", "Sweep"),
    "__version__": ("itc.version", "__version__"),
    "load": ("itc.driver", "load"),
    "sweep": ("itc.sweeps", "sweep"),
}

__all__ = ["Compiled", "CompileError", "Diagnostic", "Network", "Sweep", "__version__", "load", "sweep"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'itc' has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(module), attribute)
