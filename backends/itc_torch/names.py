"""Names of the IR as names of Python: legal, unique, and close to what the user wrote."""

from __future__ import annotations

import builtins
import keyword
import re

from torch import fx, nn

from itc.diagnostics import CompileError, Diagnostic
from itc.ir import Net

# Names of an emitted module beside its class, and those that the code of fx graphs needs for itself.
_MODULE_NAMES = ("Any", "F", "Group", "Tensor")
CONSTANTS = ("EXITS", "ITERATIONS", "LABELS")
_GRAPH_NAMES = frozenset({"self", "torch", "device", "inf", "nan", "itc_torch"})
_SEGMENT = re.compile(r"[A-Za-z0-9_]+\Z")


def identifier(name: str) -> str:
    """`name` as a Python identifier that hides nothing: `1` is `_1`, `class` is `class_`, `self` is `self_`."""
    name = f"_{name}" if not name or name[0].isdigit() else name
    word = keyword.iskeyword(name) or keyword.issoftkeyword(name)
    return f"{name}_" if word or hasattr(builtins, name) or name in _GRAPH_NAMES else name


def class_name(name: str) -> str:
    """A net's name as a class: `itnet_cityscapes` is `ItnetCityscapes`."""
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_")) or "Net"
    taken = camel in _MODULE_NAMES or camel.startswith(CONSTANTS) or hasattr(builtins, camel)
    return camel if camel.isidentifier() and not taken else f"Net{camel}"


def check_keys(net: Net) -> None:
    """Raises CompileError (E0290) for every key that no torch module can have, such as one that hides a method."""
    root, inner = fx.GraphModule(nn.Module(), fx.Graph()), nn.Module()
    keys = {param.key for param in net.params}
    faults = [
        Diagnostic(
            "E0290",
            f"torch cannot name a parameter {key}: {reason}",
            help=f'give what is called `{segment}` another name: `name="{segment}_"`',
        )
        for key in sorted(keys)
        for segment, reason in _faults(key, keys, root, inner)
    ]
    if faults:
        raise CompileError(faults)


def _faults(key: str, keys: set[str], root: nn.Module, inner: nn.Module) -> list[tuple[str, str]]:
    segments = key.split(".")
    found = [
        (segment, f"`{segment}` is a word of Python or an attribute of every module")
        for position, segment in enumerate(segments)
        if hasattr(inner if position else root, segment) or keyword.iskeyword(segment) or not _SEGMENT.match(segment)
    ]
    prefixes = (".".join(segments[:n]) for n in range(1, len(segments)))
    return found + [(segments[-1], f"{prefix} is a parameter too") for prefix in prefixes if prefix in keys]
