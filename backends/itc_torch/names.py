"""Names of the IR as names of Python: legal, unique, and close to what the user wrote."""

from __future__ import annotations

import builtins
import inspect
import keyword
import re
from collections.abc import Iterable

from torch import fx, nn

from itc.diagnostics import CompileError, Diagnostic
from itc.ir import Net
from itc_torch import functions

#: What a module has beside the attributes of every module.
METHODS = frozenset({"iterate", "loss"})
CONSTANTS = ("EXITS", "ITERATIONS", "LABELS")
#: Functions and classes that an emitted module may define beside its class, and what it imports.
OWN = frozenset(name for name, value in vars(functions).items() if inspect.isfunction(value))
DEFINED = frozenset({"Group", "kaiming", "lecun", "norm", "normal", "sinusoid", "uniform", "xavier"})
HALTING = frozenset({"AdaptiveTime", "Threshold"})
IMPORTED = frozenset({"Any", "F", "Iterator", "Tensor", "annotations", "math", "nn", "torch"})
#: Names that an emitted module reads from outside of its methods: nothing of a spec may be called so there.
MODULE_NAMES = OWN | DEFINED | HALTING | IMPORTED
#: What else the lines of `forward` read, and the variable that they throw away.
_READ = frozenset({"_", "dict", "float", "getattr", "list", "range", "str"})
#: Names that the code of fx graphs reads.
_GRAPH_NAMES = frozenset(
    {"NoneType", "device", "fx_pytree", "getattr", "inf", "nan", "pytree", "self", "slice", "torch"}
)
_GRAPH_PREFIXES = ("itc_torch", "_operator")
_SEGMENT = re.compile(r"[A-Za-z0-9_]+\Z")


def identifier(name: str) -> str:
    """`name` as a Python identifier that hides nothing: `1` is `_1`, `class` is `class_`, `self` is `self_`."""
    name = _sound(name)
    word = keyword.iskeyword(name) or keyword.issoftkeyword(name)
    return f"{name}_" if word or hasattr(builtins, name) or _in_graphs(name) else name


def argument_names(inputs: Iterable[str]) -> dict[str, str]:
    """The argument that each input is, in graphs and in emitted modules: its own name wherever Python allows it.

    Words of Python, `self` and what the code of graphs reads get an underscore.
    """
    inputs = list(inputs)
    out = {name: name for name in inputs if _argument(name) == name}
    for name in inputs:
        if name not in out:
            argument = _argument(name)
            while argument in out.values():
                argument += "_"
            out[name] = argument
    return {name: out[name] for name in inputs}


def hides(argument: str) -> bool:
    """Whether an argument has the name of something that the lines of an emitted `forward` read."""
    return argument in MODULE_NAMES | _READ or argument.startswith(CONSTANTS)


def _argument(name: str) -> str:
    name = _sound(name)
    return f"{name}_" if keyword.iskeyword(name) or _in_graphs(name) else name


def _sound(name: str) -> str:
    """`name` without what Python gives a meaning: a digit first, or two underscores, as of names private to a class."""
    if name.startswith("__"):
        name = f"_{name.lstrip('_')}"
    return f"_{name}" if not name or name[0].isdigit() else name


def _in_graphs(name: str) -> bool:
    return name in _GRAPH_NAMES or name.startswith(_GRAPH_PREFIXES)


def attribute_name(hint: str, taken: Iterable[str]) -> str:
    """A name for a method of an emitted class: `hint`, or with underscores, as no module and none of `taken` has it."""
    taken = set(taken)
    while hint in taken or hasattr(nn.Module, hint):
        hint += "_"
    return hint


def class_name(name: str) -> str:
    """A net's name as a class: `itnet_cityscapes` is `ItnetCityscapes`."""
    camel = "".join(part[:1].upper() + part[1:] for part in name.split("_")) or "Net"
    taken = camel in MODULE_NAMES or camel.startswith(CONSTANTS) or hasattr(builtins, camel)
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
        if hasattr(inner if position else root, segment)
        or (position == 0 and segment in METHODS)
        or keyword.iskeyword(segment)
        or not _SEGMENT.match(segment)
    ]
    prefixes = (".".join(segments[:n]) for n in range(1, len(segments)))
    return found + [(segments[-1], f"{prefix} is a parameter too") for prefix in prefixes if prefix in keys]
