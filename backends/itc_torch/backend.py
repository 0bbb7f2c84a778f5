"""What the driver calls of this backend: found under the entry-point group `itc.backends`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import fx

from itc.ir import Net
from itc_torch.emit import emit_module
from itc_torch.names import check_keys
from itc_torch.network import Network
from itc_torch.rolled import rolled
from itc_torch.unrolled import unrolled

Form = Literal["rolled", "unrolled"]


def lower(net: Net, form: Form = "rolled") -> Network:
    """`net` as a torch.fx.GraphModule with the values of `itc.weights.initial`, in training mode.

    `rolled` keeps loops as loops (a body's graph, called once an iteration); `unrolled` is one flat graph. The state_dict
    of both has the keys and shapes of `net.params`. Raises CompileError (E0290) for keys that torch cannot have.
    """
    check_keys(net)
    return rolled(net) if form == "rolled" else unrolled(net)


def text(net: Net, form: Form = "rolled") -> str:
    """The Python code of each graph of the lowered net, under the path of its module."""
    module = lower(net, form)
    graphs = [(name, part) for name, part in module.named_modules() if isinstance(part, fx.GraphModule)]
    return "\n".join(f"# {name or type(module).__name__}\n{_code(part)}\n" for name, part in graphs)


def _code(module: fx.GraphModule) -> str:
    """A graph's code without the deletions that fx writes behind each line."""
    return re.sub(r";  [\w\s=]+ = None$", "", module.code.strip("\n"), flags=re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Backend:
    """A backend by its name, with what the driver asks of it."""

    name: str
    lower: Callable[..., Network]
    emit: Callable[[Net], str]
    text: Callable[..., str]


backend = Backend("torch", lower, emit_module, text)
