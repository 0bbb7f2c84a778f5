"""The spec language (.itn): maps spec text to verified nets of the IR; invalid specs raise CompileError.

The usual call: `load_net(read_source(Path("itnet.itn")), settings={"f": 29, "refine.share": "none"})`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from itc.figures import Published
from itc.ir import Net
from itc.records import dataclass
from itc.source import Source
from itc_dsl import ast
from itc_dsl.checker import Program, check
from itc_dsl.documentation import documentation, file_documentation
from itc_dsl.lowering import Budget, lower
from itc_dsl.parser import parse
from itc_dsl.program import MOST_BYTES, decoded, read_source
from itc_dsl.published import check_parts
from itc_dsl.setting_texts import parse_setting, setting_text
from itc_dsl.settings import choose
from itc_dsl.syntax import RESERVED

if TYPE_CHECKING:
    from itc_dsl.formatting import format_source
    from itc_dsl.printer import print_ast
    from itc_dsl.reference import blocks, operations

#: What is imported on first use: no network needs it.
_TEXTS = {
    "blocks": "itc_dsl.reference",
    "format_source": "itc_dsl.formatting",
    "operations": "itc_dsl.reference",
    "print_ast": "itc_dsl.printer",
}

__all__ = [
    "Budget", "MOST_BYTES", "Loaded", "Program", "ast", "blocks", "check", "decoded", "documentation",
    "file_documentation", "format_source", "load", "load_checked", "load_net", "operations", "parse",
    "parse_setting", "print_ast", "RESERVED", "read_source", "setting_text",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _TEXTS:
        raise AttributeError(f"module 'itc_dsl' has no attribute {name!r}")
    return getattr(import_module(_TEXTS[name]), name)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A net with its published and counted figures, if any, for the chosen settings."""

    net: Net
    published: tuple[Published, ...] = ()


def load(
    source: Source,
    network: str | None = None,
    settings: Mapping[str, object] | None = None,
    search: Path | None = None,
) -> Loaded:
    """The network called `network` of a spec, the first by default, under `settings`, verified.

    `settings` has values for the network's parameters (`f`, `exits`, ...) and for the sharing of its blocks
    (`refine.share`: "all", "none" or "every(4)"; `refine.private`, `refine.shared`: lists of names). Files that the
    spec imports are resolved in `search`. Raises CompileError (E01xx-E04xx).
    """
    return load_checked(check(parse(source), search), network, settings)


def load_checked(
    program: Program,
    network: str | None = None,
    settings: Mapping[str, object] | None = None,
    budget: Budget | None = None,
) -> Loaded:
    """`load` for a parsed and checked spec, to load it with several settings.

    Networks loaded with the same `budget` share the limit of elaboration steps.
    """
    chosen = choose(program.main, program.groups, network, settings)
    net = lower(program, chosen, budget)
    check_parts(chosen.figures, net)
    return Loaded(net, chosen.figures)


def load_net(
    source: Source,
    network: str | None = None,
    settings: Mapping[str, object] | None = None,
    search: Path | None = None,
) -> Net:
    """The net of `load`, without its published figures."""
    return load(source, network, settings, search).net
