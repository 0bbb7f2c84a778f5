"""A text goes in, its diagnostics, syntax tree, names in scope, values and nets come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from itc.diagnostics import CompileError, Diagnostic
from itc.ir.net import Net
from itc.source import Source
from itc_dsl import ast
from itc_dsl.checker import Program, check
from itc_dsl.lowering import Budget, Trace, lower
from itc_dsl.parser import parse
from itc_dsl.program import Loader, Unit
from itc_dsl.published import check_parts
from itc_dsl.settings import choose


@dataclass(frozen=True, eq=False)
class Analysis:
    """What is known of one version of a text; `tree` and later stages are None or empty where it has errors."""

    source: Source
    diagnostics: tuple[Diagnostic, ...] = ()
    tree: ast.Module | None = None
    unit: Unit | None = None
    nets: tuple[Net, ...] = ()
    trace: Trace = field(default_factory=Trace)


def analyse(text: str, path: Path, networks: int | None = None) -> Analysis:
    """The analysis of the text of the file at `path`, which need not be saved; imports are found beside it.

    Only the first `networks` are elaborated, if given: an editor shows what is wrong with the first one at once.
    """
    source = Source(str(path), text)
    try:
        tree = parse(source)
    except CompileError as error:
        return Analysis(source, error.diagnostics)
    unit = Loader(path.parent).main(tree)
    try:
        program = check(tree, path.parent)
    except CompileError as error:
        return Analysis(source, error.diagnostics, tree, unit)
    return _elaborated(Analysis(source, (), tree, unit), program, networks)


def _elaborated(analysis: Analysis, program: Program, networks: int | None) -> Analysis:
    """With the nets of the networks, and what is wrong with any."""
    budget, trace = Budget(), Trace()
    faults: dict[object, Diagnostic] = {}
    nets: list[Net] = []
    for name in [*program.networks][:networks]:
        try:
            chosen = choose(program.main, program.groups, name)
            net = lower(program, chosen, budget, trace)
            check_parts(chosen.figures, net)
            nets.append(net)
        except CompileError as error:
            for each in error.diagnostics:
                faults.setdefault((each.code, each.message, each.primary and each.primary.span), each)
    return Analysis(analysis.source, tuple(faults.values()), analysis.tree, analysis.unit, tuple(nets), trace)
