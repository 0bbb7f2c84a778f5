"""Checks a parsed spec before elaboration: names, signatures, annotations and structure; reports all errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from typing import TypeVar

from itc.diagnostics import CompileError, Diagnostic
from itc.extensions import OPERATIONS, load_extensions
from itc.ir.op import LAYERS
from itc.records import dataclass
from itc_dsl import ast
from itc_dsl.checker.annotations import check_annotations
from itc_dsl.checker.calls import Segments, call_graph, circles
from itc_dsl.checker.keys import segments
from itc_dsl.checker.names import NameChecker
from itc_dsl.checker.structure import check_structure
from itc_dsl.checker.used import check_used
from itc_dsl.program import Loader, Unit
from itc_dsl.settings import check_variants
from itc_dsl.sharing import halting_of, loop_of, sharing_of

__all__ = ["Program", "check"]

MAX_FAULTS = 100

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Program:
    """A checked spec: its file, the key segments of all calls, and the paths of its files."""

    main: Unit
    segments: dict[ast.Call, str]
    groups: Segments
    files: tuple[str, ...]

    @property
    def networks(self) -> dict[str, ast.Network | ast.Variant]:
        """The networks of the file in text order; the first is the default."""
        return {network.name.text: network for network in self.main.networks}


def check(module: ast.Module, search: Path | None = None) -> Program:
    """The program of a file and its imports, found in `search`. Raises CompileError with every mistake in them.

    Operations of other distributions are loaded only for a file that has mistakes without them.
    """
    known = len(LAYERS)
    program, faults = _checked(module, search)
    if faults:
        load_extensions(OPERATIONS)
        program, faults = _checked(module, search) if len(LAYERS) > known else (program, faults)
    if faults:
        raise CompileError(in_order(faults, module))
    return program


def _checked(module: ast.Module, search: Path | None) -> tuple[Program, list[Diagnostic]]:
    """The program, and what is wrong with it."""
    loader = Loader(search)
    main = loader.main(module)
    faults = list(loader.faults)
    named: dict[ast.Call, str] = {}
    for unit in loader.units.values():
        for definition in unit.module.definitions:
            _definition(unit, definition, faults, named)
    edges = call_graph(loader.units.values())
    groups = Segments(edges, named)
    faults.extend(circles(edges))
    for block in edges:
        sharing = _readable(sharing_of, block)
        faults.extend(groups.unknown(block, sharing) if sharing else ())
    faults.extend(islice(check_variants(main, groups), MAX_FAULTS))
    if not faults:  # a misspelt name elsewhere would count as unused here
        faults.extend(fault for unit in loader.units.values() for fault in check_used(unit.module))
    own = [unit.module.source.name for key, unit in loader.units.items() if not key.startswith("std/")]
    return Program(main, named, groups, tuple(own)), faults


def _definition(unit: Unit, definition: ast.Definition, faults: list[Diagnostic], named: dict[ast.Call, str]) -> None:
    faults.extend(check_annotations(definition))
    named.update(segments(definition, faults))
    if isinstance(definition, ast.Variant):
        NameChecker(unit, definition, faults).run(())
        return
    faults.extend(check_structure(definition))
    NameChecker(unit, definition, faults).run(_annotated(definition) if isinstance(definition, ast.Block) else ())


def _annotated(block: ast.Block) -> list[ast.Expr]:
    """The expressions in the `@loop`, `@share` and `@halt` of a block."""
    sharing, loop, halting = _readable(sharing_of, block), _readable(loop_of, block), _readable(halting_of, block)
    exprs = [sharing and sharing.every, loop and loop.count, halting and halting.limit, halting and halting.ponder]
    return [expr for expr in exprs if expr]


def _readable(read: Callable[[ast.Block], T | None], block: ast.Block) -> T | None:
    """The parts of an annotation; none for invalid ones, which `annotations` reports."""
    try:
        return read(block)
    except CompileError:
        return None


def in_order(faults: Iterable[Diagnostic], module: ast.Module) -> list[Diagnostic]:
    """Distinct diagnostics, those of the file itself first, in text order, up to a limit."""

    def place(fault: Diagnostic) -> tuple[int, str, int]:
        if fault.primary is None:
            return 2, "", 0
        source = fault.primary.span.source
        return int(source is not module.source), source.name, fault.primary.span.start

    unique = {(fault.code, fault.message, place(fault)): fault for fault in faults}
    return sorted(unique.values(), key=place)[:MAX_FAULTS]
