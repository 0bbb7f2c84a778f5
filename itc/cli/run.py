"""`itc run`: the main job, from a spec and a picture to costs, a program on a machine, and predicted maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from itc import installed
from itc.analysis.cost_tables import totals
from itc.analysis.samples import random_inputs
from itc.cli import options
from itc.cli.choices import completed, machine_option
from itc.cli.errors import reporting
from itc.cli.printing import print_json, print_tables, say
from itc.cli.terminal import console
from itc.diagnostics import CompileError, fail, shortened
from itc.driver import Compiled, Network, parse_iterations, parse_settings, read
from itc.files import folder, writable, writable_folder
from itc.ir.op import Array
from itc.pictures import Picture, as_input, open_picture, write_classes
from itc.tables import Column, Table
from itc.version import __version__
from itc.visible import visible

T = TypeVar("T")


class Objective(StrEnum):
    """Goal of a mapping: throughput of a stream of images, or the first or last output of one (`latency`: the last)."""

    THROUGHPUT = "throughput"
    FIRST = "first"
    LAST = "last"
    LATENCY = "latency"


class MappingName(StrEnum):
    """How kernels share the tiles of a machine."""

    SPATIAL = "spatial"
    TEMPORAL = "temporal"
    AUTO = "auto"


def run(
    spec: options.Spec,
    machine: str = "",
    picture: Annotated[
        Path | None,
        typer.Option("--input", "-i", help="A PNG, JPEG, WebP, BMP or PPM; without it the input is random, seed 0."),
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option("--weights", "-w", help="A safetensors checkpoint; without it they are random, seed 0."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the predicted maps.")] = Path("out"),
    objective: Annotated[
        Objective,
        typer.Option(help="Goal of the mapping: throughput of a stream, or the first or last output of one image."),
    ] = Objective.THROUGHPUT,
    mapping: Annotated[
        MappingName,
        typer.Option(help="Kernels on tiles of their own, one at a time on all tiles, or the better of both."),
    ] = MappingName.SPATIAL,
    batch: Annotated[int, typer.Option(min=1, help="Images that a temporal program takes at once.")] = 1,
    iterations: Annotated[
        list[str] | None,
        typer.Option(help="Iterations to run instead of the spec's, on the same weights: a number, or NAME=NUMBER."),
    ] = None,
    precision: options.Precision = "f32",
    set_: options.Set = None,
    network: options.NetworkName = None,
    as_json: options.Json = False,
) -> None:
    """Map a network onto a machine, run it on a picture, and compare its values with the reference."""
    options.quantization_to(precision)
    with reporting(as_json):
        loaded = read(spec)
        chosen = loaded.network(network, **parse_settings(set_ or []))
        if iterations:
            chosen = chosen.with_iterations(parse_iterations(iterations))
        goal = (objective.value, mapping.value, batch, precision)
        job = Job(chosen, loaded.files, machine, *goal, picture, weights, out, as_json)
        result = job.run()
    if as_json:
        print_json(result.json())
        return
    result.show()


def command() -> Callable[..., None]:
    """The subcommand, with the default machine of the backends that are installed."""
    return completed(run, {"machine": machine_option()})


@dataclass
class Job:
    """The arguments of one `itc run`."""

    network: Network
    files: tuple[Path, ...]
    machine: str
    objective: str
    mapping: str
    batch: int
    precision: str
    picture: Path | None
    weights: Path | None
    out: Path
    quiet: bool
    progress: Progress = field(init=False)

    def run(self) -> Result:
        """Does the work, with a progress line on standard error."""
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        error = console(error=True)
        quiet = self.quiet or not error.is_terminal
        with Progress(*columns, console=error, transient=True, disable=quiet) as self.progress:
            writable_folder(self.out)
            self.check_maps()
            weights = self.network.weights(self.weights) if self.weights else None
            picture = self.opened_picture()
            compiled = self.step(f"compiling for {self.machine}", self.compile)
            compiled.check_sizes()
            weights = weights or self.network.weights()  # made only for a network that fits
            inputs = self.inputs(picture)
            self.step("timing", lambda: compiled.report)
            found = self.step("running on the simulated tiles", lambda: compiled.run(inputs, weights))
            reference = self.step("running the reference", lambda: self.reference(compiled, inputs, weights))
            pictures = self.step("writing maps", lambda: self.maps(found))
        return Result(self, compiled, reference.agreement(found), pictures, top_classes(found))

    def step(self, what: str, work: Callable[[], T]) -> T:
        """Does `work` with its name on the progress line."""
        task = self.progress.add_task(visible(what), total=None)
        result = work()
        self.progress.remove_task(task)
        return result

    def compile(self) -> Compiled:
        return self.network.compile(self.machine, self.objective, self.mapping, self.batch, precision=self.precision)

    def opened_picture(self) -> Picture | None:
        """The picture, of its own size: the input, which may be large, is made only for a network that fits."""
        if self.picture is None:
            return None
        values = self.network.ir.required
        if len(values) != 1:
            names = ", ".join(value.name for value in values)
            raise fail("E0633", f"a picture goes into one input, {self.network.ir.name} has {len(values)}: {names}")
        return open_picture(self.picture, values[0].tensor)

    def inputs(self, picture: Picture | None) -> dict[str, Array]:
        """The picture as the network's input; without one, random numbers."""
        if picture is None:
            return random_inputs(self.network.ir)
        (value,) = self.network.ir.required
        return {value.name: as_input(picture, value.tensor)}

    def reference(self, compiled: Compiled, inputs: dict[str, Array], weights: dict[str, Array]) -> Reference:
        """The outputs to compare with, at the program's precision and, if that is another one, in f32."""
        against, equal = forward(compiled.network, inputs, compiled.quantized(weights))
        exact = forward(self.network, inputs, weights)[1] if compiled.network is not self.network else None
        return Reference(against, equal, exact)

    def path(self, label: str) -> Path:
        """Where the map of an output goes."""
        return self.out / f"{self.network.ir.name}-{label}.png"

    def check_maps(self) -> None:
        """Raises CompileError (E0605, E0606) where a map would take the place of what is no file, or is read."""
        inputs = (*self.files, *filter(None, (self.picture, self.weights)), Path(self.machine))
        for path in map(self.path, self.network.ir.labels):
            if path.exists():
                writable(path, inputs)

    def maps(self, found: dict[str, Array]) -> list[Path]:
        """Writes a picture for each output that is a map."""
        written = []
        for label, array in found.items():
            if array.ndim != 4:
                continue
            folder(self.out)
            path = self.path(label)
            write_classes(path, array[0], f"{self.network.ir.name}, {label}   {self.weights_text}")
            written.append(path)
        return written

    @property
    def weights_text(self) -> str:
        return visible(f"weights: {self.weights}") if self.weights else "weights: random, seed 0"

    @property
    def input_text(self) -> str:
        return f"input: {self.picture}" if self.picture else "input: random, seed 0"


def forward(network: Network, inputs: dict[str, Array], weights: Mapping[str, Array]) -> tuple[str, dict[str, Array]]:
    """The outputs by modules, or by the interpreter where no backend has any, and which of the two gave them."""
    try:
        name, modules = installed.modules()
    except CompileError:
        return "the interpreter", network.interpret(inputs, weights)
    return name, modules.forward(network.ir, inputs, weights)


@dataclass(frozen=True)
class Reference:
    """Outputs to compare with: at the same precision, by `against`, and in f32 if that is another precision."""

    against: str
    equal: dict[str, Array]
    exact: dict[str, Array] | None

    def agreement(self, found: dict[str, Array]) -> Agreement:
        pairs = (self.equal, self.exact)
        equal, exact = ({k: difference(found[k], v[k]) for k in found} if v is not None else None for v in pairs)
        assert equal is not None
        return Agreement(self.against, equal, exact)


@dataclass(frozen=True)
class Agreement:
    """max |a - b| / max |b| of each output, against `against` at the same precision, and against f32."""

    against: str
    outputs: dict[str, float]
    f32: dict[str, float] | None

    def json(self) -> dict[str, Any]:
        return {"against": self.against, "outputs": self.outputs, "f32": self.f32}


@dataclass(frozen=True)
class Result:
    """Results of one `itc run`."""

    job: Job
    compiled: Compiled
    agreement: Agreement
    pictures: list[Path]
    top: dict[str, list[tuple[int, float]]]

    def json(self) -> dict[str, Any]:
        """The result as JSON-ready values; the keys are in docs/json.md."""
        network = self.compiled.network
        return {
            "itc": __version__,
            "network": network.ir.name,
            "weights": str(self.job.weights) if self.job.weights else "random, seed 0",
            "input": str(self.job.picture) if self.job.picture else "random, seed 0",
            "precision": self.job.precision,
            "cost": network.cost().json(),
            "machine": self.compiled.report.json(),
            "agreement": self.agreement.json(),
            "top": self.top,
            "pictures": [str(path) for path in self.pictures],
        }

    def show(self) -> None:
        """Prints tables and where the pictures are."""
        network, report = self.compiled.network, self.compiled.report
        texts = f"   {self.job.weights_text}   {self.job.input_text}"
        say((network.ir.name, "bold"), " on ", (report.machine, "bold"), texts)
        say()
        cost = network.cost()
        print_tables(totals(cost, network.compared(cost)), *self.tables(report.tables()))
        if self.job.precision == "f16" and (beyond := self.beyond_half()):
            say(f"beyond the range of f16, ±65,504: {shortened(beyond)}; try the weights of a trained network")
        for label, classes in self.top.items():
            say(f"{label}: " + ", ".join(f"class {i} {score:.3g}" for i, score in classes))
        if self.pictures:
            names = ", ".join(path.name for path in self.pictures)
            count = f"{len(self.pictures)} map{'s' if len(self.pictures) > 1 else ''}"
            say()
            say(f"{count} in {self.job.out}: {names}")

    def beyond_half(self) -> list[str]:
        """Labels of outputs that are finite in f32, and not in f16."""
        return [label for label, off in (self.agreement.f32 or {}).items() if not np.isfinite(off)]

    def tables(self, reported: Sequence[Table]) -> Iterator[Table]:
        """The tables of a report, with how far the values are off: beside those by output, or else in its own."""
        for table in reported:
            more = replace(table, title=f"{table.title}, and agreement of the values")
            yield self.compared(more) if table.by_output else table
        if not any(table.by_output for table in reported):
            rows = tuple((label,) for label in self.agreement.outputs)
            yield self.compared(Table("agreement of the values", (Column("output"),), rows))

    def compared(self, table: Table) -> Table:
        """A table of outputs with columns of how far they are off."""
        agreement, at = self.agreement, "" if self.agreement.f32 is None else f" in {self.job.precision}"
        for against, offs in ((f"{agreement.against}{at}", agreement.outputs), ("f32", agreement.f32)):
            cells = {label: f"{off:.1e}" for label, off in (offs or {}).items()}
            table = table.beside(Column(f"off {against} by", right=True), cells) if cells else table
        return table


def difference(found: Array, expected: Array) -> float:
    """max |a - b| / max |b|; numbers that are not finite, and the same in both, agree."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    other = ~((found == expected) | (np.isnan(found) & np.isnan(expected)))
    scale = float(np.abs(expected[np.isfinite(expected)]).max(initial=0)) or 1.0
    return float(np.abs(found[other] - expected[other]).max(initial=0)) / scale


def top_classes(found: dict[str, Array], count: int = 5) -> dict[str, list[tuple[int, float]]]:
    """The highest scores of each output that is a vector."""
    vectors = {label: array[0].astype(np.float64) for label, array in found.items() if array.ndim == 2}
    return {
        label: [(int(i), float(scores[i])) for i in np.argsort(-scores)[:count]] for label, scores in vectors.items()
    }
