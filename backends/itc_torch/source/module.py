"""The whole text of a standalone Python module for a net."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import PurePath
from re import search
from textwrap import fill

from itc.ir import Net, Output, SeriesType
from itc.ir.types import FLOATS, NUMPY_NAMES
from itc.visible import visible
from itc_torch.halting import halting_classes
from itc_torch.names import argument_names, class_name
from itc_torch.source.checking import compiled
from itc_torch.source.conditions import members
from itc_torch.source.expressions import quoted
from itc_torch.source.forward import Forward, run_order
from itc_torch.source.functions import function_texts
from itc_torch.source.layout import INDENT, WIDTH, Bracket, docstring, lines
from itc_torch.source.parameters import attribute, declarations, definitions


def module_text(net: Net) -> str:
    """Python source of `net`: a class of its name in camel case, and what it needs of its own (E0291)."""
    return compiled(net, _text)


def _text(net: Net) -> str:
    forward = Forward(net, partial(attribute, net))
    body = forward.run()
    written = "\n".join((*_class(net), "", *_forward(net, forward), *body, *forward.methods.text()))
    parts = [*definitions(net), *halting_classes(net), *function_texts(forward.functions), written]
    constants = "\n".join(_constants(net, forward))
    head = ["\n".join(docstring(_about(net))), _imports("\n".join(parts)), *([constants] if constants else [])]
    return "\n\n".join(head) + "\n\n\n" + "\n\n\n".join(parts) + "\n"


def _about(net: Net) -> list[str]:
    source = f", from {visible(PurePath(net.span.source.name).name)}" if net.span else ""
    return [
        f"The network `{net.name}` in PyTorch{source}.",
        fill(
            "Written by itc, and independent of it. Keys and shapes of the state_dict are those of itc's checkpoints.",
            WIDTH,
        ),
    ]


def _imports(text: str) -> str:
    """The imports of what `text` uses, in the order that linters want."""
    standard = ["import math"] * ("math." in text) + ["from typing import Any"] * (bool(search(r"\bAny\b", text)))
    functions = ["import torch"] * bool(search(r"\btorch\.", text))
    functions += ["import torch.nn.functional as F"] * bool(search(r"\bF\.", text))
    groups = [["from __future__ import annotations"], standard, [*functions, "from torch import Tensor, nn"]]
    return "\n\n".join("\n".join(group) for group in groups if group)


def _constants(net: Net, forward: Forward) -> Iterator[str]:
    for numbers, name in forward.constants.items():
        yield from lines(Bracket("(", tuple(map(str, numbers))), before=f"{name} = ")
    if run_order(net) != net.labels:
        yield from lines(Bracket("(", tuple(map(quoted, net.labels))), before="LABELS = ")


def _class(net: Net) -> Iterator[str]:
    yield f"class {class_name(net.name)}(nn.Module):"
    yield from docstring(["Gives every output as a tensor under its label.", "\n".join(_interface(net))], indent=1)
    yield ""
    yield f"{INDENT}def __init__(self) -> None:"
    yield f"{INDENT * 2}super().__init__()"
    yield from declarations(net, indent=2)


def _interface(net: Net) -> Iterator[str]:
    """Inputs and outputs with their shapes."""
    arguments = argument_names(value.name for value in net.inputs)
    for value, argument in zip(net.inputs, arguments.values(), strict=True):
        zeros = ", zeros unless given" if value.name in net.optional else ""
        numbers = "" if value.tensor.dtype in FLOATS else f" of {NUMPY_NAMES[value.tensor.dtype]}"
        named = "" if argument == value.name else f", as the argument {argument}"
        yield f"Input {value.name}{named}: {_shape(value.tensor.shape)}{numbers}{zeros}."
    for output in net.outputs:
        yield fill(f"Output {_labels(output)}.", WIDTH - len(INDENT))


def _labels(output: Output) -> str:
    type = output.value.type
    if not isinstance(type, SeriesType):
        return f"{output.name}: {_shape(type.shape)}"
    exits = members(tuple(output.at or ()), lambda numbers: f"({', '.join(map(str, numbers))})")
    return f"{output.name}@n for n in {exits}: {_shape(type.element.shape)}"


def _shape(sizes: tuple[int, ...]) -> str:
    return f"[batch{''.join(f', {size}' for size in sizes)}]"


def _forward(net: Net, forward: Forward) -> Iterator[str]:
    """The head of `forward`; where its arguments would hide names that its lines read, it hands them on by others."""
    if forward.interface == forward.arguments:
        yield from _head(net, "forward", forward.arguments)
        return
    method = forward.methods.fresh("compute")
    yield from _head(net, "forward", forward.interface)
    yield from lines(Bracket(f"return self.{method}(", tuple(forward.interface)), indent=2)
    yield ""
    yield from _head(net, method, forward.arguments)


def _head(net: Net, method: str, arguments: list[str]) -> Iterator[str]:
    kinds = ("Tensor | None = None" if value.name in net.optional else "Tensor" for value in net.inputs)
    typed = ("self", *(f"{name}: {kind}" for name, kind in zip(arguments, kinds, strict=True)))
    yield from lines(Bracket(f"def {method}(", typed, ") -> dict[str, Tensor]:"), indent=1)
