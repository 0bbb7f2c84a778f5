"""`itc run`: the main job, from a spec and a picture to costs, a program on a machine, and predicted maps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import typer
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from itc.analysis.cost_tables import totals
from itc.analysis.workload import check_workload, workload
from itc.cli import options
from itc.cli.agreement import Agreement, Reference, forward
from itc.cli.choices import completed, machine_option
from itc.cli.errors import report as say_errors
from itc.cli.errors import reporting
from itc.cli.inputs import Given, Norm, arrays, given_inputs, numbers
from itc.cli.printing import hushed, print_json, print_tables, say
from itc.cli.terminal import console
from itc.diagnostics import CompileError, shortened
from itc.drawing import Kind, drawing, kind_of, write_drawing, write_sheet
from itc.driver import Compiled, Network, parse_iterations, parse_settings, read
from itc.files import folder, writable, writable_folder
from itc.ir.op import Array
from itc.pictures import write_classes
from itc.tables import Column, Table
from itc.version import __version__
from itc.visible import visible

T = TypeVar("T")
#: The codes of a network that a machine cannot run, whatever its file.
REFUSALS = frozenset({"E0510", "E0511", "E0512", "E0513", "E0514", "E0523"})
#: Inputs that a sheet shows, by their channels, and outputs that are drawn.
PICTURES = {1: Kind.GREY, 3: Kind.COLOUR}
#: Tokens of a text that are printed.
SHOWN = 20
DRAWN = (Kind.CLASSES, Kind.GREY, Kind.COLOUR, Kind.FLOW, Kind.CURVES)
COSTS = """Counted from the network alone, by the definitions of docs/costs.md;
MACs of all iterations, graph size and latency of convolutions."""


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
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="[NAME=]FILE",
            help="A picture (PNG, JPEG, WebP, BMP, PPM), an .npy array, or token ids as text; again for several "
            "inputs. Inputs without a file are random, seed 0.",
        ),
    ] = None,
    mean: Annotated[
        str,
        typer.Option(
            "--mean", metavar="NUMBERS", help="Subtracted from pictures in 0..1, by channel: 0.485,0.456,0.406."
        ),
    ] = "0",
    std: Annotated[
        str, typer.Option("--std", metavar="NUMBERS", help="What pictures are divided by after that, by channel.")
    ] = "1",
    weights: Annotated[
        Path | None,
        typer.Option("--weights", "-w", help="A safetensors checkpoint; without it they are random, seed 0."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder for the drawn outputs.")] = Path("out"),
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
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Map a network onto a machine, run it on its simulated tiles, and compare its values with the reference.

    A network that the machine refuses runs by the reference alone; the status is 1 then.
    """
    options.quantization_to(precision)
    with reporting(as_json), hushed(quiet):
        loaded = read(spec)
        chosen = loaded.network(network, **parse_settings(set_ or []))
        if iterations:
            chosen = chosen.with_iterations(parse_iterations(iterations))
        given = given_inputs(chosen.ir, inputs or (), Norm(numbers(mean, "--mean"), numbers(std, "--std")))
        goal = (objective.value, mapping.value, batch, precision)
        job = Job(chosen, loaded.files, machine, *goal, given, weights, out, as_json)
        result = job.run()
        if as_json:
            print_json(result.json())
        else:
            result.show()
    sys.exit(1 if result.refusal else 0)


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
    given: list[Given]
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
            try:
                compiled = self.step(f"compiling for {self.machine}", self.compile)
            except CompileError as error:
                if not REFUSALS.issuperset(diagnostic.code for diagnostic in error.diagnostics):
                    raise
                return self.by_reference(weights, error)
            compiled.check_sizes()
            weights = weights or self.network.weights()  # made only for a network that fits
            inputs = arrays(self.network.ir, self.given)
            self.step("timing", lambda: compiled.report)
            narrow = self.step("quantising the weights", lambda: compiled.quantized(weights))
            found = self.step("running on the simulated tiles", lambda: compiled.run(inputs, narrow))
            reference = self.step("running the reference", lambda: self.reference(compiled, inputs, weights, narrow))
            pictures = self.step("drawing outputs", lambda: self.drawings(inputs, found))
        return Result(self, compiled, reference.agreement(found), pictures, top_classes(found), self.tokens(found))

    def by_reference(self, weights: dict[str, Array] | None, refusal: CompileError) -> Result:
        """The outputs of a network that the machine refuses, by modules or the interpreter, in f32."""
        try:
            check_workload(workload(self.network.ir, 1), f"computing {self.network.ir.name}", self.network.ir.span)
        except CompileError as error:
            raise CompileError([*refusal.diagnostics, *error.diagnostics]) from None
        weights, inputs = weights or self.network.weights(), arrays(self.network.ir, self.given)
        against, found = self.step("running the reference", lambda: forward(self.network, inputs, weights))
        pictures = self.step("drawing outputs", lambda: self.drawings(inputs, found))
        return Result(
            self, None, Agreement(against, {}, None), pictures, top_classes(found), self.tokens(found), refusal
        )

    def step(self, what: str, work: Callable[[], T]) -> T:
        """Does `work` with its name on the progress line."""
        task = self.progress.add_task(visible(what), total=None)
        result = work()
        self.progress.remove_task(task)
        return result

    def compile(self) -> Compiled:
        return self.network.compile(self.machine, self.objective, self.mapping, self.batch, precision=self.precision)

    def reference(
        self, compiled: Compiled, inputs: dict[str, Array], weights: dict[str, Array], narrow: Mapping[str, Array]
    ) -> Reference:
        """The outputs to compare with, at the program's precision and, if that is another one, in f32."""
        against, equal = forward(compiled.network, inputs, narrow)
        exact = forward(self.network, inputs, weights)[1] if compiled.network is not self.network else None
        return Reference(against, equal, exact)

    def path(self, label: str) -> Path:
        """Where the drawing of an output goes."""
        return self.out / f"{self.network.ir.name}-{label}.png"

    @property
    def sheet(self) -> Path:
        """Where the sheet of all drawings goes."""
        return self.out / f"{self.network.ir.name}.png"

    def check_maps(self) -> None:
        """Raises CompileError (E0605, E0606) where a drawing would take the place of what is no file, or is read."""
        given = (each.path for each in self.given)
        inputs = (*self.files, *given, *filter(None, (self.weights,)), Path(self.machine))
        for path in (self.sheet, *map(self.path, self.network.ir.labels)):
            if path.exists():
                writable(path, inputs)

    def drawings(self, inputs: dict[str, Array], found: dict[str, Array]) -> list[Path]:
        """Draws each output that is a map or a sequence, and a sheet with the inputs and all of them."""
        written, shown = [], []
        for value in self.network.ir.inputs:
            kind = PICTURES.get(value.tensor.shape[0] if len(value.tensor.shape) == 3 else 0)
            if kind and value.name in inputs:
                shown.append((f"{value.name} (input)", drawing(inputs[value.name][0], kind)))
        for output in self.network.ir.outputs:
            for label in output.labels:
                array = found.get(label, np.zeros(()))
                kind = kind_of(output.name, output.loss, array.shape[1:])
                if kind not in DRAWN:
                    continue
                folder(self.out)
                self.draw(label, array[0], kind)
                shown.append((label, drawing(array[0], kind)))
                written.append(self.path(label))
        if written:
            write_sheet(self.sheet, shown, f"{self.network.ir.name}   {self.weights_text}")
        return written

    def tokens(self, found: dict[str, Array]) -> dict[str, list[int]]:
        """The most likely token at each position of the outputs that are texts."""
        losses = {label: output.loss for output in self.network.ir.outputs for label in output.labels}
        texts = (k for k, v in found.items() if kind_of(k, losses.get(k, ""), v.shape[1:]) is Kind.TOKENS)
        return {label: found[label][0].argmax(-1).tolist() for label in texts}

    def draw(self, label: str, array: Array, kind: Kind) -> None:
        """Writes the drawing of one output."""
        title = f"{self.network.ir.name}, {label}   {self.weights_text}"
        if kind is Kind.CLASSES:
            write_classes(self.path(label), array, title)
        else:
            write_drawing(self.path(label), array, kind, title)

    @property
    def weights_text(self) -> str:
        return visible(f"weights: {self.weights}") if self.weights else "weights: random, seed 0"

    @property
    def input_text(self) -> str:
        return f"input: {', '.join(str(each.path) for each in self.given) or 'random, seed 0'}"

    @property
    def input_json(self) -> Any:
        """The file of the only input, or the files of several by name."""
        files = {each.value.name: str(each.path) for each in self.given}
        return files if len(self.network.ir.required) > 1 and files else next(iter(files.values()), "random, seed 0")


@dataclass(frozen=True)
class Result:
    """Results of one `itc run`."""

    job: Job
    compiled: Compiled | None
    agreement: Agreement
    pictures: list[Path]
    top: dict[str, list[tuple[int, float]]]
    tokens: dict[str, list[int]]
    refusal: CompileError | None = None

    @property
    def network(self) -> Network:
        return self.compiled.network if self.compiled else self.job.network

    def json(self) -> dict[str, Any]:
        """The result as JSON-ready values; the keys are in docs/json.md."""
        network, refusal = self.network, self.refusal
        return {
            **({"errors": [diagnostic.json() for diagnostic in refusal.diagnostics]} if refusal else {}),
            "itc": __version__,
            "network": network.ir.name,
            "weights": str(self.job.weights) if self.job.weights else "random, seed 0",
            "input": self.job.input_json,
            "precision": self.job.precision,
            "cost": network.cost().json(),
            "machine": self.compiled.report.json() if self.compiled else None,
            "agreement": self.agreement.json(),
            "top": self.top,
            "tokens": self.tokens,
            "pictures": [str(path) for path in self.pictures],
            "sheet": str(self.job.sheet) if self.pictures else None,
        }

    def show(self) -> None:
        """Prints tables and where the pictures are."""
        network, report = self.network, self.compiled.report if self.compiled else None
        texts = f"   {self.job.weights_text}   {self.job.input_text}"
        where = f"{report.machine} (simulated)" if report else f"{self.agreement.against} alone"
        say((network.ir.name, "bold"), " on ", (where, "bold"), texts)
        if self.refusal:
            say_errors(self.refusal.diagnostics)
            say(f"{self.job.machine} refuses {network.ir.name}: it ran in {self.agreement.against}, and has no cycles")
        say()
        cost = network.cost()
        reported = self.tables(report.tables()) if report else ()
        print_tables(replace(totals(cost, network.compared(cost)), legend=COSTS), *reported)
        if self.job.precision == "f16" and (beyond := self.beyond_half()):
            say(f"beyond the range of f16, ±65,504: {shortened(beyond)}; try the weights of a trained network")
        for label, ids in self.tokens.items():
            say(f"{label}: tokens {' '.join(map(str, ids[:SHOWN]))}{' ...' if len(ids) > SHOWN else ''}")
        for label, classes in self.top.items():
            say(f"{label}: " + ", ".join(f"class {i} {score:.3g}" for i, score in classes))
        if self.pictures:
            names = ", ".join(path.name for path in self.pictures)
            say()
            say(f"drawn in {self.job.out}: {names}")
            say(f"all of them side by side: {self.job.sheet}")

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


def top_classes(found: dict[str, Array], count: int = 5) -> dict[str, list[tuple[int, float]]]:
    """The highest scores of each output that is a vector."""
    vectors = {label: array[0].astype(np.float64) for label, array in found.items() if array.ndim == 2}
    return {
        label: [(int(i), float(scores[i])) for i in np.argsort(-scores)[:count]] for label, scores in vectors.items()
    }
