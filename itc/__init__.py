"""itc: a declarative compiler for iterative neural networks.

    net = itc.load("itnet.itn", f=29)            # or itc.loads(text): a Network
    net.cost(), net.text(), net.weights()        # costs, the looped IR, fresh weights
    net.torch(), net.emit()                      # a trainable module, and source that needs no itc
    net.compile("edge-16").report                # a program for a simulated machine
    itc.sweep("itnet.itn", {"f": range(16, 64)})  # costs over settings

Public names: Network, Compiled, Sweep, CompileError, Diagnostic, load, loads, sweep, __version__. They are imported on
first use, so that `import itc.ir` needs neither the language nor a backend. Mistakes in a spec raise CompileError.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from itc.diagnostics import CompileError, Diagnostic
    from itc.driver import Compiled, Network, load, loads
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
    "loads": ("itc.driver", "loads"),
    "sweep": ("itc.sweeps", "sweep"),
}

__all__ = ["Compiled", "CompileError", "Diagnostic", "Network", "Sweep", "__version__", "load", "loads", "sweep"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'itc' has no attribute {name!r}")
    module, attribute = _HOME[name]
    return getattr(import_module(module), attribute)
