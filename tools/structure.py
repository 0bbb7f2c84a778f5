"""Prints the structure of the code: sizes of functions and files, import depth and fan-out of each package.

    python tools/structure.py            # itc, itc_dsl, itc_tile, itc_torch
    python tools/structure.py --check    # exit status 1 where a limit is exceeded

Functions are counted in lines from `def` to the last statement, decorators and nested functions included; files in
lines of text. The import depth of a package is the number of modules on its longest chain of imports, cycles
condensed; its levels are the folders on the longest chain of imports between folders. Imports within functions do not
count: they run when they are needed. Folders count their own modules without `__init__.py`.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"itc": ROOT / "itc", "itc_dsl": ROOT / "dsl/itc_dsl"} | {
    folder.name: folder for folder in sorted((ROOT / "backends").iterdir()) if folder.is_dir()
}
LIMITS = {"itc_tile": {"levels": 8, "files in a folder": 12}}


@dataclass(frozen=True)
class Module:
    """A parsed module of a package."""

    name: str
    path: Path
    lines: int
    tree: ast.Module

    def functions(self) -> Iterator[int]:
        """Lines of each function and method."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield node.end_lineno - node.lineno + 1

    def imports(self) -> Iterator[str]:
        """Names that the module imports when it is loaded, with the imported names as possible submodules."""
        for node in self.tree.body:
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules(package: str, folder: Path) -> dict[str, Module]:
    """The modules of a package by dotted name, `__init__` files under the name of their folder."""
    out: dict[str, Module] = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        name = ".".join((package, *(part for part in parts if part != "__init__")))
        text = path.read_text(encoding="utf-8")
        out[name] = Module(name, path, text.count("\n"), ast.parse(text))
    return out


def levels(package: Mapping[str, Module]) -> int:
    """The number of modules on the longest chain of imports within a package; facades (`__init__`) do not count."""
    inner = {name: module for name, module in package.items() if module.path.name != "__init__.py"}
    edges = {name: sorted({other for other in module.imports() if other in inner}) for name, module in inner.items()}
    depth: dict[str, int] = {}
    for component in components(edges):
        below = [depth[other] for name in component for other in edges[name] if other not in component]
        depth |= dict.fromkeys(component, max(below, default=0) + 1)
    return max(depth.values(), default=0)


def package_levels(package: Mapping[str, Module]) -> int:
    """The number of folders on the longest chain of imports between the folders of a package.

    A module directly in the package is a level of its own.
    """
    inner = {name: module for name, module in package.items() if module.path.name != "__init__.py"}
    unit = {name: name.rpartition(".")[0] if name.count(".") > 1 else name for name in inner}
    edges: dict[str, list[str]] = {each: [] for each in unit.values()}
    for name, module in inner.items():
        edges[unit[name]] += sorted({unit[other] for other in module.imports() if other in inner} - {unit[name]})
    depth: dict[str, int] = {}
    for component in components(edges):
        below = [depth[other] for name in component for other in edges[name] if other not in component]
        depth |= dict.fromkeys(component, max(below, default=0) + 1)
    return max(depth.values(), default=0)


def components(edges: Mapping[str, list[str]]) -> list[set[str]]:
    """Strongly connected components, those that are imported first (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    out: list[set[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in edges[name]:
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            at = stack.index(name)
            out.append(set(stack[at:]))
            del stack[at:]

    for name in edges:
        if name not in index:
            visit(name)
    return out


def summary(sizes: list[int]) -> str:
    """Median, 90th percentile and maximum."""
    p90 = quantiles(sizes, n=10)[-1] if len(sizes) > 1 else sizes[0]
    return f"{median(sizes):5.0f} {p90:5.0f} {max(sizes):5d}"


def fullest_folder(package: Mapping[str, Module]) -> int:
    """The most modules in one folder."""
    counts: dict[Path, int] = {}
    for module in package.values():
        if module.path.name != "__init__.py":
            counts[module.path.parent] = counts.get(module.path.parent, 0) + 1
    return max(counts.values(), default=0)


def main() -> int:
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="fail where a limit is exceeded")
    check = parser.parse_args().check
    sizes = "  med   p90   max"
    print(f"{'package':10} functions{sizes} | files{sizes} | depth | levels | files in a folder")
    exceeded = []
    for name, folder in PACKAGES.items():
        package = modules(name, folder)
        functions = [lines for module in package.values() for lines in module.functions()]
        files = [module.lines for module in package.values() if module.path.name != "__init__.py"]
        measured = {"levels": package_levels(package), "files in a folder": fullest_folder(package)}
        print(
            f"{name:10} {len(functions):9d}{summary(functions)} | {len(files):5d}{summary(files)} "
            f"| {levels(package):5d} | {measured['levels']:6d} | {measured['files in a folder']:6d}"
        )
        exceeded += [
            f"{name}: {measured[key]} {key}, limit {limit}"
            for key, limit in LIMITS.get(name, {}).items()
            if measured[key] > limit
        ]
    for line in exceeded:
        print(line)
    return int(check and bool(exceeded))


if __name__ == "__main__":
    raise SystemExit(main())
