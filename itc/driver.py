"""The whole pipeline on one screen: text -> AST -> IR -> costs, a program for a machine, a torch module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import itc_dsl
from itc import weights as checkpoints
from itc.analysis.cost import Cost, cost
from itc.backend import Backend, MachineBackend, TrainingBackend, backend
from itc.figures import Compared, Published, compare
from itc.interpreter import interpret
from itc.ir.net import Net
from itc.ir.op import Array
from itc.ir.printer import print_net

Arrays = Mapping[str, Array]


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """`["f=29", "refine.share=none"]` as the keyword arguments of `load`; later ones win."""
    return dict(itc_dsl.parse_setting(text) for text in texts)


def load(path: str | Path, network: str | None = None, /, **settings: Any) -> Network:
    """The network of a spec: the first of the file, or the one named `network`.

    `settings` override its parameters (`f=29`) and annotations (`**{"refine.share": "none"}`), as `--set` does. Raises
    CompileError with every diagnostic of the phase that failed.
    """
    return read(path).network(network, **settings)


def names(path: str | Path) -> tuple[str, ...]:
    """The networks of a spec, the default one first. Raises CompileError as `load` does."""
    return read(path).names


def read(path: str | Path) -> Spec:
    """A spec, checked, for several of its networks or settings. Raises CompileError as `load` does."""
    return Spec(itc_dsl.check(itc_dsl.parse(itc_dsl.read_source(Path(path))), Path(path).parent))


@dataclass(frozen=True)
class Spec:
    """A file in the language that has been read and checked; it is as it was then, whatever becomes of the file."""

    program: itc_dsl.Program

    @property
    def names(self) -> tuple[str, ...]:
        """Its networks, the default one first."""
        return tuple(network.name.text for network in self.program.main.networks)

    def network(self, name: str | None = None, /, **settings: Any) -> Network:
        """One of its networks, as `load` gives it."""
        loaded = itc_dsl.load_checked(self.program, name, settings)
        return Network(loaded.net, loaded.published)


@dataclass(frozen=True)
class Network:
    """A network for one input size, and all that itc makes of it."""

    ir: Net
    published: tuple[Published, ...] = ()

    def text(self) -> str:
        """The looped IR as text."""
        return print_net(self.ir)

    def cost(self) -> Cost:
        """Parameters, MACs, graph size, latency, state and peak memory, by the paper's definitions."""
        return cost(self.ir)

    def compared(self, cost: Cost) -> tuple[Compared, ...]:
        """The figures that the spec gives for it, each beside what itc counts."""
        return compare(self.ir, self.published, cost.json())

    def weights(self, path: str | Path | None = None, seed: int = 0) -> dict[str, Array]:
        """The checkpoint at `path`, or fresh weights: an array of the parameter's shape for each key."""
        return checkpoints.load(path, self.ir) if path else checkpoints.initial(self.ir, seed)

    def interpret(self, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
        """Outputs by label, by the reference interpreter; `inputs` are arrays [batch, ...]."""
        return interpret(self.ir, inputs, weights)

    def torch(self, form: str = "rolled") -> Any:
        """A `torch.fx.GraphModule`: `rolled` (the body called in a loop) or `unrolled` (one flat graph)."""
        return training_backend().lower(self.ir, form)

    def emit(self, to: str = "torch") -> str:
        """The source of a module that does not import itc."""
        return cast(TrainingBackend, backend(to)).emit(self.ir)

    def compile(self, machine: Any = "gc200", objective: str = "throughput") -> Compiled:
        """The program for a machine: a name, the path of a file, or loaded. Raises CompileError if it does not fit.

        `objective` is what the tiles are dealt out for: `throughput` of a stream of images, or `latency` of one.
        """
        tile = machine_backend()
        target = tile.load_machine(str(machine)) if isinstance(machine, str | Path) else machine
        return Compiled(self, target, tile.compile(self.ir, target, objective))


@dataclass(frozen=True)
class Compiled:
    """A network mapped onto a machine."""

    network: Network
    machine: Any
    program: Any

    @cached_property
    def report(self) -> Any:
        """Fit, cycles, stream of images, and the machine's lower bound; `report.json()` for tools."""
        return machine_backend().report(self.program)

    def run(self, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
        """Outputs by label, computed by the simulated tiles from their own stores."""
        return machine_backend().simulate(self.program, inputs, weights)


def machine_backend(name: str = "tile") -> MachineBackend:
    """The backend that maps nets onto machines."""
    return cast(MachineBackend, backend(name))


def training_backend(name: str = "torch") -> TrainingBackend:
    """The backend that makes trainable modules."""
    return cast(TrainingBackend, backend(name))


def stage_text(path: Path, stage: str, network: str | None, settings: Iterable[str], **options: Any) -> str:
    """One stage of the pipeline as text: `ast`, `ir`, or a backend's."""
    if stage == "ast":
        return itc_dsl.print_ast(itc_dsl.parse(itc_dsl.read_source(path)))
    net = load(path, network, **parse_settings(settings))
    if stage == "ir":
        return net.text()
    shown: Backend = backend(stage)
    return shown.text(net.ir, **options)
