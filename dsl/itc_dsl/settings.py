"""Combines the settings of a network from variants and from callers into one set of overrides."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from itc.diagnostics import CompileError, Diagnostic, Edit, Label, fail
from itc.figures import Published
from itc.ir.op import LAYERS
from itc.records import dataclass
from itc.source import Source
from itc_dsl import ast
from itc_dsl.parser import parse_override
from itc_dsl.program import Unit
from itc_dsl.published import published
from itc_dsl.setting_texts import setting_text
from itc_dsl.sharing import OVERRIDABLE, Sharing, agreeing, override_sharing, sharing_of
from itc_dsl.signature import BUILTINS, suggest

if TYPE_CHECKING:
    from itc_dsl.checker.calls import Segments

Path = tuple[str, ...]
#: Settings that differ from the defaults, by path.
Effective = frozenset[tuple[Path, str]]
#: The kinds of literals, in words for a help.
KINDS_OF_SETTINGS = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "text": "a string",
    "list": "a list",
}
MAX_VARIANTS = 64
#: Maximum number of settings listed in a help.
MAX_LISTED = 50
#: Maximum number of errors reported per variant.
MAX_FAULTS = 50


@dataclass(frozen=True, eq=False)
class Chosen:
    """A network with its parameter and sharing overrides."""

    name: str
    network: ast.Network
    values: dict[str, ast.Override] = field(default_factory=dict)
    sharing: dict[ast.Block, Sharing] = field(default_factory=dict)
    figures: tuple[Published, ...] = ()


def choose(main: Unit, groups: Segments, name: str | None, settings: Mapping[str, object] | None = None) -> Chosen:
    """The network called `name`, or the first, under `settings`.

    Raises CompileError for an unknown network (E0211), invalid settings (E0212) and missing ones (E0209).
    """
    definition = _network(main, name)
    network, overrides = _root(main, definition)
    chosen = _Chooser(main, groups, network)
    own = [chosen.from_outside(setting_text(key, value)) for key, value in (settings or {}).items()]
    for override in (*overrides, *own):
        if len(chosen.faults) < MAX_FAULTS:
            chosen.apply(override)
    chosen.settle()
    chosen.missing(definition)
    if chosen.faults:
        raise CompileError(chosen.faults)
    figures = _figures(main, network, [*overrides, *own])
    return Chosen(definition.name.text, network, chosen.values, chosen.sharing, figures)


def _network(main: Unit, name: str | None) -> ast.Network | ast.Variant:
    if not main.networks:
        message = f"{main.module.source.name} defines no network"
        help = "a spec has at least one `network`, with an `input` and an `emit`"
        raise fail("E0106", message, main.module.source.span(0, 0), "no network in the file", help)
    if name is None:
        return main.networks[0]
    named = main.own.get(name)
    if named is None or isinstance(named, ast.Block):
        message = f"{main.module.source.name} has no network `{name}`"
        names = dict.fromkeys(network.name.text for network in main.networks)
        raise fail("E0211", message, help=f"it has: {', '.join(names)}")
    return named


def _root(main: Unit, definition: ast.Network | ast.Variant) -> tuple[ast.Network, list[ast.Override]]:
    """The base network of a chain of variants, and the overrides along the chain, innermost first."""
    chain: list[ast.Variant] = []
    while isinstance(definition, ast.Variant):
        if definition in chain:
            raise fail("E0206", "networks are variants of each other in a circle", definition.span, "in the circle")
        if len(chain) == MAX_VARIANTS:
            raise fail("E0392", f"a chain of variants is longer than {MAX_VARIANTS}", definition.span, "this deep")
        chain.append(definition)
        base = main.own.get(definition.base.text)
        if base is None or isinstance(base, ast.Block):
            help, edit = suggest(definition.base, [network.name.text for network in main.networks])
            message = f"there is no network `{definition.base.text}`"
            label = Label(definition.base.span, "unknown" if base is None else "this is a block")
            raise CompileError([Diagnostic("E0211", message, label, help=help, edit=edit)])
        definition = base
    return definition, [override for variant in reversed(chain) for override in variant.overrides]


class _Chooser:
    def __init__(self, main: Unit, groups: Segments, network: ast.Network) -> None:
        self.main = main
        self.groups = groups
        self.network = network
        self.params = {param.name.text: param for param in network.params}
        self.values: dict[str, ast.Override] = {}
        self.sharing: dict[ast.Block, Sharing] = {}
        #: For each block with a sharing override, the last override.
        self.setters: dict[ast.Block, ast.Override] = {}
        self.faults: list[Diagnostic] = []

    def from_outside(self, text: str) -> ast.Override:
        """A setting; bare words are strings if the parameter takes strings, unless they name an operation."""
        override = parse_override(Source("settings", text))
        param = self.params.get(override.path[0].text)
        if len(override.path) > 1 or param is None:
            return override
        return replace(override, value=_with_strings(override.value, param.default, self.callable()))

    def callable(self) -> set[str]:
        """The blocks and operations that a word may name."""
        return {*self.main.names, *LAYERS, *BUILTINS}

    def apply(self, override: ast.Override) -> None:
        if len(override.path) == 2:
            self.annotation(override)
        elif override.path[0].text in self.params:
            self.parameter(override, self.params[override.path[0].text])
        else:
            self.unknown(override, override.path[0], self.known())

    def known(self) -> list[str]:
        """The names of all settings."""
        used = self.used()
        return [*self.params, *(f"{name}.share" for name, block in self.shareable().items() if block in used)]

    def used(self) -> set[ast.Block]:
        return self.groups.used(self.main, self.network, (override.value for override in self.values.values()))

    def shareable(self) -> dict[str, ast.Block]:
        """The blocks with a sharing setting, by their names in the file."""
        blocks = {name: d.definition for name, d in self.main.names.items() if isinstance(d.definition, ast.Block)}
        return {name: block for name, block in blocks.items() if block.kind in ("iterative", "output")}

    def parameter(self, override: ast.Override, param: ast.Param) -> None:
        if isinstance(override.value, ast.Name) and not self.word_fits(override.value, param):
            self.unfit(override, param, "unknown name")
        elif call := next((node for node in ast.walk(override.value) if isinstance(node, ast.Call)), None):
            every = call.callee.text == "every"
            self.unfit(override, param, "`every` is for sharing" if every else "calls are not allowed in a setting")
        elif param.default and not _same_kind(override.value, param.default):
            self.unfit(override, param, f"not of the type of its default `{param.default.span.text}`")
        else:
            self.values[param.name.text] = override

    def word_fits(self, value: ast.Name, param: ast.Param) -> bool:
        """Whether a bare word may be a string, or a block or operation, according to the default."""
        if isinstance(param.default, ast.Text):
            return True
        return isinstance(param.default, ast.Name) and value.text in self.callable()

    def unfit(self, override: ast.Override, param: ast.Param, note: str) -> None:
        message = f"`{param.name.text}` cannot be {override.value.span.text}"
        label = Label(override.value.span, note)
        secondary = (Label(param.span, "the parameter"),)
        help, edit = self.meant(override.value, param)
        self.faults.append(Diagnostic("E0212", message, label, secondary, help or _like_default(param), edit))

    def meant(self, value: ast.Expr, param: ast.Param) -> tuple[str, Edit | None]:
        """A suggestion for a misspelt word, if the parameter takes words."""
        if not isinstance(value, ast.Name):
            return "", None
        if isinstance(param.default, ast.Name):
            return suggest(value, self.callable())
        is_boolean = param.default is not None and _kind(param.default) == "boolean"
        return suggest(value, ("true", "false")) if is_boolean else ("", None)

    def annotation(self, override: ast.Override) -> None:
        blocks = self.shareable()
        target, part = override.path
        if target.text not in blocks:
            self.unknown(override, target, blocks)
        elif part.text not in OVERRIDABLE:
            self.unknown(override, part, OVERRIDABLE)
        else:
            self.share(blocks[target.text], override)

    def share(self, block: ast.Block, override: ast.Override) -> None:
        try:
            sharing = override_sharing(self.sharing.get(block) or sharing_of(block), override)
        except CompileError as error:
            self.faults.extend(error.diagnostics)
            return
        self.faults.extend(self.groups.unknown(block, sharing))
        self.sharing[block] = sharing
        self.setters[block] = override

    def settle(self) -> None:
        """Diagnostics of the sharing of blocks under all settings."""
        used = self.used() if self.setters else set()
        for block, override in self.setters.items():
            if block not in used:
                self.uncalled(override)
            try:
                agreeing(self.sharing[block], override.span)
            except CompileError as error:
                self.faults.extend(error.diagnostics)

    def uncalled(self, override: ast.Override) -> None:
        target = override.path[0]
        message = f"`{self.network.name.text}` does not call `{target.text}`"
        label = Label(target.span, "without effect")
        self.faults.append(Diagnostic("E0212", message, label, help=self.listing()))

    def listing(self) -> str:
        known = self.known()
        shown = [*known[:MAX_LISTED], *["..."] * (len(known) > MAX_LISTED)]
        return f"{self.network.name.text} has: {', '.join(shown) or 'no settings'}"

    def unknown(self, override: ast.Override, part: ast.Ident, known: Iterable[str]) -> None:
        name = ".".join(ident.text for ident in override.path)
        help, edit = suggest(part, known)
        message = f"there is no setting `{name}`"
        help = f"{help}\n{self.listing()}" if help else self.listing()
        self.faults.append(Diagnostic("E0212", message, Label(part.span, "unknown"), help=help, edit=edit))

    def missing(self, definition: ast.Network | ast.Variant) -> None:
        for param in self.network.params:
            if param.default is None and param.name.text not in self.values:
                message = f"`{param.name.text}` of `{definition.name.text}` has no value"
                label = Label(param.span, "no default")
                help = f"give it a default, or set it: `{param.name.text}=...`"
                self.faults.append(Diagnostic("E0209", message, label, help=help))


def _with_strings(value: ast.Expr, default: ast.Expr | None, callable: Collection[str]) -> ast.Expr:
    """A value with words as strings: a single word if the default is none, words in a list unless `callable`."""
    match value, default:
        case ast.Name(), None | ast.Constant(value=None):
            return ast.Text(value.span, value.text)
        case ast.List(), ast.List(items=items) if items and all(isinstance(item, ast.Text) for item in items):
            return _strings(value, ())
        case ast.List(), None | ast.Constant(value=None) | ast.List():
            return _strings(value, callable)
    return value


def _strings(value: ast.Expr, words: Collection[str]) -> ast.Expr:
    """A value with names, except `words`, as strings, including those in lists."""
    if isinstance(value, ast.Name) and value.text not in words:
        return ast.Text(value.span, value.text)
    if isinstance(value, ast.List):
        return replace(value, items=tuple(_strings(item, words) for item in value.items))
    return value


def _kind(value: ast.Expr) -> str:
    """The kind of a literal; empty for other expressions."""
    match value:
        case ast.Number(value=number):
            return "integer" if isinstance(number, int) else "number"
        case ast.Unary(operator="-", operand=operand):
            return _kind(operand)
        case ast.Constant(value=bool()):
            return "boolean"
        case ast.Text():
            return "text"
        case ast.List():
            return "list"
    return ""


def _like_default(param: ast.Param) -> str:
    """A help with the type of the parameter, if its default is a literal."""
    if param.default is None or not _kind(param.default):
        return ""
    kind = KINDS_OF_SETTINGS[_kind(param.default)]
    return f"write {kind}, as its default is: `{param.name.text}={param.default.span.text}`"


def _same_kind(value: ast.Expr, default: ast.Expr) -> bool:
    kinds = (_kind(value), _kind(default))
    return "" in kinds or kinds[0] == kinds[1] or kinds == ("integer", "number")


def _figures(main: Unit, network: ast.Network, overrides: list[ast.Override]) -> tuple[Published, ...]:
    """What was published for the network as it is set: for the one of the file that comes to the same settings."""
    definition = _annotated(main).get((network, frozenset(_effective(network, overrides).items())))
    return published(definition) if definition else ()


@lru_cache(maxsize=8)
def _annotated(main: Unit) -> dict[tuple[ast.Network, Effective], ast.Network | ast.Variant]:
    """The networks of a file that may have figures, by what each varies and the settings it comes to."""
    found: dict[tuple[ast.Network, Effective], ast.Network | ast.Variant] = {}
    for definition in main.networks:
        if definition.annotations:
            with suppress(CompileError):  # of a variant of nothing, which is reported for itself
                root, own = _root(main, definition)
                found.setdefault((root, frozenset(_effective(root, own).items())), definition)
    return found


def _effective(network: ast.Network, overrides: list[ast.Override]) -> dict[Path, str]:
    """The settings that differ from the defaults, by path, in canonical spelling."""
    defaults: dict[Path, str] = {(p.name.text,): _spelling(p.default) for p in network.params if p.default}
    out: dict[Path, str] = {}
    for override in overrides:
        out[tuple(part.text for part in override.path)] = _spelling(override.value)
    return {path: text for path, text in out.items() if defaults.get(path) != text}


def _spelling(value: ast.Expr) -> str:
    return re.sub(r"\s+", "", value.span.text).replace("'", '"').replace(",]", "]")


def check_variants(main: Unit, groups: Segments) -> Iterable[Diagnostic]:
    """Diagnostics of all variants of a file."""
    for definition in main.networks:
        if isinstance(definition, ast.Variant):
            yield from _set_twice(definition)
            try:
                choose(main, groups, definition.name.text)
            except CompileError as error:
                yield from (fault for fault in error.diagnostics if fault.code != "E0209")


def _set_twice(variant: ast.Variant) -> Iterable[Diagnostic]:
    """A diagnostic (E0210) for each duplicate setting of a variant."""
    seen: dict[Path, ast.Override] = {}
    for override in variant.overrides:
        path = tuple(part.text for part in override.path)
        first = seen.setdefault(path, override)
        if first is not override:
            labels = Label(override.span, "again here"), (Label(first.span, "first here"),)
            yield Diagnostic("E0210", f"`{'.'.join(path)}` is set twice", *labels, "remove one of them")
