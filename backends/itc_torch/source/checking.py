"""Written modules are compiled before anyone has them: Python has limits that a net may pass."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from itc.diagnostics import CompileError, fail
from itc.ir import Loop, Net, Statement
from itc.ir.net import children

#: Loops inside one another that Python allows in a function.
MAX_NESTED = 20


def compiled(net: Net, write: Callable[[Net], str]) -> str:
    """The text of a net, which Python can compile. Raises CompileError (E0291) where it cannot.

    It cannot for 21 nested loops, and for keys of very many parts.
    """
    try:
        text = write(net)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(text, "<module>", "exec", dont_inherit=True)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise _beyond(net, error) from None
    return text


def _beyond(net: Net, error: Exception) -> CompileError:
    reason = error.msg if isinstance(error, SyntaxError) else "it nests too deep"
    deep = _nested(net.body)
    if deep > MAX_NESTED:
        reason = f"its loops nest {deep} deep, Python has at most {MAX_NESTED} in a function"
    help = "from Python, `net.torch()` gives a module that is no text; or nest fewer blocks and loops"
    return fail("E0291", f"{net.name} cannot be written as a module of Python: {reason}", net.span, "this", help)


def _nested(body: tuple[Statement, ...]) -> int:
    """How many loops stand inside one another at most."""
    inner = (
        isinstance(statement, Loop) + max((_nested(part.statements) for part in children(statement)), default=0)
        for statement in body
    )
    return max(inner, default=0)
