"""Resolves the imports of a spec: from `std`, with one block per file, and from files in the same folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from difflib import get_close_matches
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path

from itc.diagnostics import CompileError, Diagnostic, Label, fail
from itc.files import STANDARD_INPUT, opened, standard_input
from itc.records import dataclass
from itc.source import Source, Span
from itc_dsl import ast
from itc_dsl.parser import MAX_CHARACTERS, parse
from itc_dsl.signature import suggest

STD = Path(__file__).parent / "std"
MAX_FILES = 256
MAX_IMPORTED = 500_000
MOST_BYTES = 4 * MAX_CHARACTERS


@dataclass(eq=False)
class Unit:
    """A file with the definitions in scope: its own and imported ones, each with the unit that defines it.

    `imported` are all names in its imports, including unresolved ones.
    """

    module: ast.Module
    names: dict[str, Defined] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)

    @cached_property
    def own(self) -> dict[str, ast.Definition]:
        return {definition.name.text: definition for definition in self.module.definitions}

    @property
    def blocks(self) -> list[ast.Block]:
        return [definition for definition in self.module.definitions if isinstance(definition, ast.Block)]

    @cached_property
    def networks(self) -> list[ast.Network | ast.Variant]:
        return [definition for definition in self.module.definitions if not isinstance(definition, ast.Block)]


@dataclass(frozen=True, eq=False)
class Defined:
    """A definition and the unit that defines it."""

    definition: ast.Definition
    unit: Unit


def read_source(path: Path) -> Source:
    """The text of a file, or of standard input for `-`. Raises CompileError if there is none (E0601-E0604, E0108)."""
    if str(path) == STANDARD_INPUT:
        return decoded(STANDARD_INPUT, standard_input(MOST_BYTES + 1))
    try:
        with opened(path) as file:
            content = file.read(MOST_BYTES + 1)
        return decoded(str(path), content)
    except FileNotFoundError:
        near = get_close_matches(path.stem, beside(path.parent), 1)
        help = f"did you mean {path.with_name(near[0])}.itn?" if near else ""
        raise fail("E0601", f"there is no file {path}", help=help) from None
    except IsADirectoryError:
        inside = ", ".join(f"{name}.itn" for name in beside(path)[:5])
        help = f"give one of the specs in it: {inside}" if inside else ""
        raise fail("E0603", f"{path} is a folder", help=help) from None
    except (OSError, ValueError) as error:
        raise fail("E0603", f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None


def beside(folder: Path) -> list[str]:
    """The names of the specs in a folder, up to a limit."""
    try:
        return sorted(path.stem for path in islice(folder.glob("*.itn"), MAX_FILES))
    except OSError:
        return []


def decoded(name: str, content: bytes) -> Source:
    """The text of `content`. Raises CompileError if it is not text, or too long (E0602, E0108)."""
    if len(content) > MOST_BYTES:
        raise fail("E0108", f"{name} has more than {MAX_CHARACTERS} characters")
    try:
        return Source(name, content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise fail("E0602", f"{name} is not text: byte {error.start} is not UTF-8") from None


@lru_cache(maxsize=64)
def _std_module(name: str) -> ast.Module:
    return parse(Source(f"std/{name}.itn", (STD / f"{name}.itn").read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def std_names() -> tuple[str, ...]:
    """The names of the standard library: one block per file, with the file's name."""
    return tuple(sorted(path.stem for path in STD.glob("*.itn")))


class Loader:
    """Loads units, each file once; errors are collected in `faults`."""

    def __init__(self, search: Path | None) -> None:
        self.search = search
        self.faults: list[Diagnostic] = []
        self.units: dict[str, Unit] = {}
        self.open: list[str] = []
        self.characters = 0

    def main(self, module: ast.Module) -> Unit:
        """The unit of the spec itself, which its imports must not import."""
        path = Path(module.source.name)
        beside = self.search is not None and path.suffix == ".itn" and path.parent == self.search
        return self.unit(path.stem if beside else "", module)

    def unit(self, key: str, module: ast.Module) -> Unit:
        """The unit of a parsed file, with its imports."""
        unit = self.units[key] = Unit(module)
        self.open.append(key)
        self.duplicates(module)
        for definition in module.definitions:
            unit.names.setdefault(definition.name.text, Defined(definition, unit))
        for line in module.imports:
            self.import_(unit, line)
        self.open.pop()
        return unit

    def duplicates(self, module: ast.Module) -> None:
        """Reports duplicate definitions and imports of a file."""
        first: dict[str, ast.Ident] = {}
        imported = [name for line in module.imports if line.module.text not in self.open for name in line.names]
        defined = [definition.name for definition in module.definitions]
        for name in sorted([*imported, *defined], key=lambda name: name.span.start):
            known = first.setdefault(name.text, name)
            if known is not name:
                message = f"`{name.text}` is defined twice"
                labels = Label(name.span, "again here"), (Label(known.span, "first here"),)
                self.faults.append(Diagnostic("E0202", message, *labels, "rename one of them"))

    def import_(self, unit: Unit, line: ast.Import) -> None:
        unit.imported.update(name.text for name in line.names)
        if line.module.text == "std":
            for name in line.names:
                self.import_std(unit, name)
            return
        imported = self.file(line.module)
        if imported is None:
            return
        own = {name: d for name, d in imported.own.items() if isinstance(d, ast.Block)}
        for name in line.names:
            if name.text in own:
                unit.names.setdefault(name.text, Defined(own[name.text], imported))
            else:
                self.unknown(name, f"{line.module.text}.itn", own)

    def import_std(self, unit: Unit, name: ast.Ident) -> None:
        if name.text not in std_names():
            self.unknown(name, "std", std_names())
            return
        key = f"std/{name.text}"
        std = self.units.get(key) or self.unit(key, _std_module(name.text))
        unit.names.setdefault(name.text, Defined(std.own[name.text], std))

    def unknown(self, name: ast.Ident, where: str, known: Iterable[str]) -> None:
        help, edit = suggest(name, known)
        message = f"{where} has no block `{name.text}`"
        help = help or f"it has: {', '.join(sorted(known))}"
        self.faults.append(Diagnostic("E0205", message, Label(name.span, "unknown"), help=help, edit=edit))

    def file(self, name: ast.Ident) -> Unit | None:
        """The unit of a file in the folder of the spec."""
        if name.text in self.units:
            if name.text not in self.open:
                return self.units[name.text]
            self.circle(name)
            return None
        path = self.search / f"{name.text}.itn" if self.search else None
        if path is None or not path.is_file() or len(self.units) > MAX_FILES:
            where = f"no {name.text}.itn in the folder of the file" if path else "only `std` can be imported here"
            help, edit = suggest(name, ["std", *(beside(self.search) if self.search else ())])
            label = Label(name.span, where)
            self.faults.append(Diagnostic("E0204", f"cannot find `{name.text}`", label, help=help, edit=edit))
            return None
        try:
            return self.unit(name.text, parse(self.read(path, name)))
        except CompileError as error:
            self.faults.extend(error.diagnostics)
            return None

    def read(self, path: Path, name: ast.Ident) -> Source:
        """The text of an imported file (E0108)."""
        source = read_source(path)
        self.characters += len(source.text)
        if self.characters > MAX_IMPORTED:
            message = f"the files that a spec imports have at most {MAX_IMPORTED} characters together"
            raise fail("E0108", message, name.span, "these are more")
        return source

    def circle(self, name: ast.Ident) -> None:
        """Reports a circular import."""
        path = [*self.open[self.open.index(name.text) :], name.text]
        named = " -> ".join(f"{key}.itn" for key in path)
        message = f"files import each other in a circle: {named}" if len(path) > 2 else "a file imports itself"
        help = "move the shared blocks to a file of their own" if len(path) > 2 else "remove this line"
        self.faults.append(Diagnostic("E0205", message, Label(name.span, "closes the circle"), help=help))

    def fault(self, code: str, message: str, span: Span, note: str) -> None:
        self.faults.append(Diagnostic(code, message, Label(span, note)))
