"""A backend as a record of its capabilities: stages, emit targets, passes, machines and modules.

A distribution offers one under the entry-point group `itc.backends`. The record stands in a module that is quick to
import: it is loaded to list choices, so what computes something imports what it needs when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from keyword import iskeyword
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from itc.diagnostics import fail
from itc.ir.net import Net
from itc.ir.op import Array
from itc.passes import Transform
from itc.records import dataclass
from itc.tables import Table

if TYPE_CHECKING:
    from torch.fx import GraphModule
else:
    GraphModule = object  # nothing imports PyTorch before a module is made

Arrays = Mapping[str, Array]
#: The options that `itc show` has for every stage.
TAKEN = ("context", "spec", "stage", "after", "set", "set_", "network", "help")


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a stage: `--name` on the command line, the keyword `name` of the stage's function.

    Its type is that of the default: text, a number or a boolean; a text may be limited to `choices`.
    """

    name: str
    default: str | int | float | bool
    help: str
    choices: tuple[str, ...] = ()
    short: str = ""

    def __post_init__(self) -> None:
        if not self.name.isidentifier() or iskeyword(self.name) or self.name in TAKEN:
            raise ValueError(f"the option `{self.name}` is none of a stage: every stage has it, or it is no keyword")

    @property
    def allowed(self) -> tuple[str, ...]:
        """The texts that it can be, if they can be listed."""
        return ("true", "false") if isinstance(self.default, bool) else self.choices

    def value(self, text: str) -> str | int | float | bool:
        """The value of a text from the command line. Raises ValueError, which says what it can be."""
        if self.allowed and text not in self.allowed:
            raise ValueError(f"it is {' or '.join(self.allowed)}, not {text}")
        if isinstance(self.default, bool):
            return text == "true"
        try:
            return type(self.default)(text)
        except ValueError:
            kind = "a whole number" if isinstance(self.default, int) else "a number"
            raise ValueError(f"it is {kind}, not {text}") from None


@dataclass(frozen=True, slots=True)
class Stage:
    """A form of a net that has a text, for `itc show --stage`; `text` takes the net and each option as a keyword."""

    name: str
    help: str
    text: Callable[..., str]
    options: tuple[Option, ...] = ()

    def __post_init__(self) -> None:
        _check("options", self.options, Option)


@dataclass(frozen=True, slots=True)
class Target:
    """A kind of source file that can be written of a net, for `itc emit --to`; its files end in `suffix`."""

    name: str
    help: str
    suffix: str
    text: Callable[[Net], str]


class Report(Protocol):
    """What is known of a program on its machine."""

    @property
    def machine(self) -> str:
        """The machine's name."""

    def tables(self) -> Sequence[Table]:
        """The report for people; a table `by_output` gets a column of how far the values are off."""

    def json(self) -> dict[str, Any]:
        """The report for tools; its keys are stable."""


class Machines(Protocol):
    """Machines that nets can be mapped onto, and what is done with them."""

    @property
    def default(self) -> str:
        """The machine that is taken where none is named."""

    def names(self) -> Sequence[str]:
        """The machines that come with the backend."""

    def owns(self, machine: Any) -> bool:
        """Whether a name, a path or a loaded machine is one of these; asked where several backends have machines."""
        return isinstance(machine, str) and machine in self.names()

    def text(self, name: str) -> str:
        """The file of a machine that comes with the backend. Raises CompileError for any other name."""

    def json(self, name: str) -> dict[str, Any]:
        """The keys of its file with plain values."""

    def table(self, names: Iterable[str]) -> Table:
        """A row for each of these machines."""

    def load(self, machine: Any) -> Any:
        """A machine by its name or the path of its file; one that is loaded as it is. Raises CompileError."""

    def compile(self, net: Net, machine: Any, objective: str, mapping: str = "spatial", batch: int = 1) -> Any:
        """A program for `throughput`, the `first` or the `last` output; `latency` is another name of the last.

        `mapping` is `spatial`, `temporal` (for `batch` images at once) or `auto`, the better of both. Raises
        CompileError where the net does not fit.
        """

    def report(self, program: Any) -> Report:
        """Fit and times of a program."""

    def check_sizes(self, program: Any, batch: int = 1) -> None:
        """Raises CompileError where simulating `batch` samples would take too much memory or time (E0665, E0666)."""

    def simulate(self, program: Any, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
        """Outputs by label, computed from the stores of the machine."""

    def validate(self, rows: Path, machine: Any) -> Report:
        """Predicted against expected figures of a file for a machine that is loaded. Raises CompileError."""
        raise fail("E0566", f"{rows} is not compared: the backend of {machine} has no model to validate")


class Module(GraphModule):
    """A network as a trainable module: `module(*inputs)` gives a dict from output label to tensor [batch, ...]."""

    def iterate(self, /, *inputs: Any, **named_inputs: Any) -> Iterator[tuple[str, Any]]:
        """The outputs as (label, tensor), each as soon as it is there; what is behind the last one taken never runs."""
        raise NotImplementedError

    def loss(self, outputs: Mapping[str, Any], targets: Any, ignore_index: int = -100) -> Any:
        """The training loss by the `@loss` annotations; `targets` are tensors by name, or the only one."""
        raise NotImplementedError


class Modules(Protocol):
    """Trainable modules of another framework."""

    def lower(self, net: Net, form: str = "rolled", halting: str = "stop") -> Module:
        """A module with the net's parameters under their keys.

        `form` is `rolled` or `unrolled`; loops that halt `stop` with their slowest image, or run `masked` to the end.
        """

    def forward(self, net: Net, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
        """Outputs by label for arrays [batch, ...], at inference."""


@dataclass(frozen=True, slots=True)
class Backend:
    """What a backend offers, and the modules that it imports to do any of it.

    Passes are functions that give the pass, by the pass's name. Where several backends have machines or modules, or
    for the default emit target, that of the highest `priority` is taken; among equals the first by name. `install` is
    the requirement that brings the modules it `requires`.
    """

    name: str
    stages: tuple[Stage, ...] = ()
    targets: tuple[Target, ...] = ()
    passes: Mapping[str, Callable[[], Transform]] = field(default_factory=dict)
    machines: Machines | None = None
    modules: Modules | None = None
    priority: int = 0
    requires: tuple[str, ...] = ()
    install: str = ""

    def __post_init__(self) -> None:
        _check("stages", self.stages, Stage)
        _check("targets", self.targets, Target)
        _check("requires", self.requires, str)


def _check(name: str, values: object, kind: type) -> None:
    if not isinstance(values, tuple) or not all(isinstance(value, kind) for value in values):
        raise TypeError(f"`{name}` is a tuple of {kind.__name__}")
