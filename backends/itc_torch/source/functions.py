"""The texts of those functions of `itc_torch.functions` that a module calls, and of what they call themselves."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from types import FunctionType
from typing import Any

from itc_torch import functions

OWN = {name: value for name, value in vars(functions).items() if inspect.isfunction(value)}


def function_texts(called: Iterable[Callable[..., Any]]) -> list[str]:
    """Definitions in the order of the file, each once."""
    needed: set[str] = set()
    stack = [function for function in called if isinstance(function, FunctionType) and function in OWN.values()]
    while stack:
        function = stack.pop()
        if function.__name__ not in needed:
            needed.add(function.__name__)
            stack += [OWN[name] for name in function.__code__.co_names if name in OWN]
    return [inspect.getsource(function).rstrip() for name, function in OWN.items() if name in needed]
