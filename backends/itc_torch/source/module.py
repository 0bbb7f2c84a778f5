"""The whole text of a standalone Python module for a net."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import PurePath
from re import search
from textwrap import fill

from itc.ir import Loop, Net, Output, SeriesType, walk
from itc.ir.types import FLOATS, NUMPY_NAMES
from itc.visible import visible
from itc_torch.halting import halting_classes
from itc_torch.names import argument_names, class_name
from itc_torch.source.checking import compiled
from itc_torch.source.conditions import members
from itc_torch.source.expressions import quoted
from itc_torch.source.forward import Forward
from itc_torch.source.functions import function_texts
from itc_torch.source.layout import INDENT, WIDTH, Bracket, docstring, lines
from itc_torch.source.losses import loss_functions, loss_method
from itc_torch.source.order import returns_at_once, run_order
from itc_torch.source.parameters import attribute, declarations, definitions


def module_text(net: Net) -> str:
    """Python source of `net`: a class of its name in camel case, and what it needs of its own (E0291)."""
    return compiled(net, _text)


def _text(net: Net) -> str:
    forward = Forward(net, partial(attribute, net))
    body = forward.run()
    methods = "\n".join((*_methods(net, forward, body), *loss_method(net), *forward.methods.text()))
    written = "\n".join((*_class(net, forward), "", methods))
    parts = [
        *definitions(net),
        *halting_classes(net),
        *function_texts([*forward.functions, *loss_functions(net)]),
        written,
    ]
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
    standard = ["import math"] * ("math." in text) + ["from collections.abc import Iterator"]
    standard += ["from typing import Any"] * bool(search(r"\bAny\b", text))
    functions = ["import torch"] * bool(search(r"\btorch\.", text))
    functions += ["import torch.nn.functional as F"] * bool(search(r"\bF\.", text))
    groups = [["from __future__ import annotations"], standard, [*functions, "from torch import Tensor, nn"]]
    return "\n\n".join("\n".join(group) for group in groups if group)


def _constants(net: Net, forward: Forward) -> Iterator[str]:
    for numbers, name in forward.constants.items():
        yield from lines(Bracket("(", tuple(map(str, numbers))), before=f"{name} = ")
    if run_order(net) != net.labels:
        yield from lines(Bracket("(", tuple(map(quoted, net.labels))), before="LABELS = ")


def _class(net: Net, forward: Forward) -> Iterator[str]:
    yield f"class {class_name(net.name)}(nn.Module):"
    yield from docstring(["Gives every output as a tensor under its label.", "\n".join(_interface(net))], indent=1)
    yield ""
    halts = any(isinstance(statement, Loop) and statement.halt for statement in walk(net.body))
    yield f"{INDENT}def __init__(self{', masked: bool = False' * halts}) -> None:"
    yield f"{INDENT * 2}super().__init__()"
    if halts:
        yield f"{INDENT * 2}self.{forward.masked} = masked  # loops that halt run to their end"
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


def _methods(net: Net, forward: Forward, body: list[str]) -> Iterator[str]:
    """`forward` and `iterate`: one has the lines of `body`, the other calls it."""
    at_once = returns_at_once(net)
    yield from _method(net, forward, "forward", body if at_once else _collected(net, forward))
    yield ""
    yield from _method(net, forward, "iterate", _items(forward) if at_once else body)


def _method(net: Net, forward: Forward, name: str, body: list[str]) -> Iterator[str]:
    """A method with the lines of `body`; where its arguments would hide what they read, it hands them on by others."""
    yield from _head(net, name, forward.interface, ABOUT[name])
    if forward.interface != forward.arguments:
        hidden = forward.methods.own(f"compute_{name}")
        yield from lines(Bracket(f"return self.{hidden}(", tuple(forward.interface)), indent=2)
        yield ""
        yield from _head(net, hidden, forward.arguments, ABOUT[name])
    yield from body


def _collected(net: Net, forward: Forward) -> list[str]:
    """The lines of `forward` where `iterate` has the computation."""
    outputs = Bracket("dict(", (Bracket("self.iterate(", tuple(forward.arguments)),))
    if run_order(net) == net.labels:
        return list(lines(outputs, indent=2, before="return "))
    ordered = f"{INDENT * 2}return {{label: outputs[label] for label in LABELS}}"
    return [*lines(outputs, indent=2, before="outputs = "), ordered]


def _items(forward: Forward) -> list[str]:
    """The lines of `iterate` where `forward` has the computation."""
    outputs = Bracket("self.forward(", tuple(forward.arguments), ").items()")
    return list(lines(outputs, indent=2, before="yield from "))


@dataclass(frozen=True, slots=True)
class About:
    """What a method gives, as a type and as a sentence."""

    type: str
    sentence: str


ABOUT = {
    "forward": About("dict[str, Tensor]", "All outputs by label."),
    "iterate": About("Iterator[tuple[str, Tensor]]", "The outputs one by one, each as soon as it is computed."),
}


def _head(net: Net, method: str, arguments: list[str], about: About) -> Iterator[str]:
    kinds = ("Tensor | None = None" if value.name in net.optional else "Tensor" for value in net.inputs)
    typed = ("self", *(f"{name}: {kind}" for name, kind in zip(arguments, kinds, strict=True)))
    yield from lines(Bracket(f"def {method}(", typed, f") -> {about.type}:"), indent=1)
    if method in ABOUT:
        yield f'{INDENT * 2}"""{about.sentence}"""'
