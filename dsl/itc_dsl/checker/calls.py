"""Checks the call graph of blocks: no recursion, and exceptions of `@share` that name existing segments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from itc.diagnostics import Diagnostic, Edit, Label
from itc_dsl import ast
from itc_dsl.program import Unit
from itc_dsl.sharing import KINDS, Sharing
from itc_dsl.signature import suggest

Edges = dict[ast.Block, list[tuple[ast.Ident | ast.Name, ast.Block]]]


def call_graph(units: Iterable[Unit]) -> Edges:
    """For each block, the blocks named in its text, with their first occurrence."""
    return {block: list(_mentions(unit, block)) for unit in units for block in unit.blocks}


def _mentions(unit: Unit, definition: ast.Block | ast.Network) -> Iterator[tuple[ast.Ident | ast.Name, ast.Block]]:
    seen: set[str] = {param.name.text for param in definition.params}
    for node in ast.walk(*definition.params, *definition.body):
        name = node.callee if isinstance(node, ast.Call) else node
        if not isinstance(name, ast.Ident | ast.Name) or name.text in seen:
            continue
        defined = unit.names.get(name.text)
        if defined and isinstance(defined.definition, ast.Block) and (isinstance(node, ast.Call | ast.Name)):
            seen.add(name.text)
            yield name, defined.definition


def circles(edges: Edges) -> Iterator[Diagnostic]:
    """A diagnostic (E0206) for each cycle of calls, by iterative depth-first search."""
    done: set[ast.Block] = set()
    for start in edges:
        path: list[ast.Block] = []
        on_path: set[ast.Block] = set()
        stack = [(start, iter(edges[start]))] if start not in done else []
        path.extend(block for block, _ in stack)
        on_path.update(path)
        while stack:
            block, targets = stack[-1]
            step = next(targets, None)
            if step is None:
                done.add(block)
                stack.pop()
                on_path.discard(path.pop())
            elif step[1] in on_path:
                yield _circle(path[path.index(step[1]) :], step[0])
            elif step[1] not in done:
                stack.append((step[1], iter(edges[step[1]])))
                path.append(step[1])
                on_path.add(step[1])


def _circle(path: list[ast.Block], last: ast.Ident | ast.Name) -> Diagnostic:
    names = " -> ".join(f"`{block.name.text}`" for block in [*path, path[0]])
    alone = f"`{path[0].name.text}` calls itself"
    message = alone if len(path) == 1 else f"blocks call each other in a circle: {names}"
    others = tuple(Label(block.span, "in the circle") for block in path)
    help = "blocks cannot be recursive; repeat with an `iterative` block or a `for`"
    return Diagnostic("E0206", message, Label(last.span, "closes the circle"), others, help)


class Segments:
    """The segments of keys inside a block, including all blocks that it calls."""

    def __init__(self, edges: Edges, segments: dict[ast.Call, str]) -> None:
        self.edges = edges
        self.segments = segments
        self.everything = {segment for block in edges for segment in self.own(block)}

    def own(self, block: ast.Block) -> set[str]:
        return {self.segments[node] for node in ast.walk(block) if isinstance(node, ast.Call)}

    def reached(self, *blocks: ast.Block) -> set[ast.Block]:
        """The transitive closure of calls."""
        reached, stack = set(blocks), list(blocks)
        while stack:
            targets = {target for _, target in self.edges[stack.pop()]} - reached
            reached |= targets
            stack.extend(targets)
        return reached

    def used(self, unit: Unit, network: ast.Network, values: Iterable[ast.Expr]) -> set[ast.Block]:
        """The blocks that a network of the file may call with parameters `values`."""
        given = [unit.names.get(value.text) for value in values if isinstance(value, ast.Name)]
        named = [defined.definition for defined in given if defined and isinstance(defined.definition, ast.Block)]
        return self.reached(*named, *(block for _, block in _mentions(unit, network)))

    def inside(self, block: ast.Block) -> set[str]:
        """The segments of the block and of all reachable blocks; all segments if it calls an argument."""
        reached = self.reached(block)
        found = {segment for b in reached for segment in self.own(b)}
        return self.everything | found if any(map(_calls_parameter, reached)) else found

    def unknown(self, block: ast.Block, sharing: Sharing) -> Iterator[Diagnostic]:
        """A diagnostic (E0405) for each exception of `@share` that names neither a kind nor a segment inside."""
        inside = self.inside(block) if sharing.groups else set()
        for name in sharing.groups:
            if name.text not in KINDS and name.text not in inside:
                yield _unknown_group(block, name, inside)


def _calls_parameter(block: ast.Block) -> bool:
    params = {param.name.text for param in block.params}
    return any(isinstance(node, ast.Call) and node.callee.text in params for node in ast.walk(*block.body))


def _unknown_group(block: ast.Block, name: ast.Name, inside: set[str]) -> Diagnostic:
    help, edit = suggest(name, {*KINDS, *inside})
    message = f"no key in `{block.name.text}` has the segment `{name.text}`"
    help = help or f"kinds are {', '.join(KINDS)}; calls inside are {', '.join(sorted(inside))}"
    edit = Edit(name.span, edit.replacement) if edit else None
    return Diagnostic("E0405", message, Label(name.span, "unknown group"), help=help, edit=edit)
