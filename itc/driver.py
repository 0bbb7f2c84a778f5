"""The whole pipeline on one screen: text -> AST -> IR -> passes -> costs, a program for a machine, a module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, SupportsIndex

import itc_dsl
from itc import installed
from itc import weights as checkpoints
from itc.analysis.cost import Cost, cost
from itc.analysis.difference import Difference, difference
from itc.analysis.workload import check_weights, check_workload, workload
from itc.arguments import checked
from itc.backend import Machines, Modules, Report
from itc.diagnostics import CompileError
from itc.explanations import Explanation, read_folder
from itc.figures import Compared, Published, compare
from itc.interpreter import interpret
from itc.ir.net import Net
from itc.ir.op import Array
from itc.ir.printer import print_net
from itc.passes import Adapt, Rewritten, Transform, flat, named, unchanged
from itc.transforms import TRANSFORMS

Arrays = Mapping[str, Array]
#: Bytes of a spec at most.
MOST_BYTES = itc_dsl.MOST_BYTES
#: The stages that are not a backend's: the syntax tree, and the looped IR.
STAGES = ("ast", "ir")


class _DefaultMachine:
    """Stands for the default of the backend that has machines, which is asked for it when it is needed."""

    def __repr__(self) -> str:
        return "the default machine"


MACHINE = _DefaultMachine()
OBJECTIVES = ("throughput", "first", "last", "latency")


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """`["f=29", "refine.share=none"]` as the keyword arguments of `load`; later ones win."""
    return dict(itc_dsl.parse_setting(text) for text in texts)


def load(path: str | Path, network: str | None = None, /, **settings: Any) -> Network:
    """The network of a spec: the first of the file, or the one named `network`.

    `settings` override its parameters (`f=29`) and annotations (`**{"refine.share": "none"}`), as `--set` does. Raises
    CompileError with every diagnostic of the phase that failed.
    """
    return read(path).network(network, **settings)


def read(path: str | Path, together: bool = False) -> Spec:
    """A spec, checked, for several of its networks or settings. Raises CompileError as `load` does.

    Loaded `together`, they share the bound on the steps of elaboration, so that a file of many takes no longer.
    """
    program = itc_dsl.check(itc_dsl.parse(itc_dsl.read_source(Path(path))), Path(path).parent)
    return Spec(program, itc_dsl.Budget() if together else None)


def explanations() -> dict[str, Explanation]:
    """What each code means: itc's own, the language's, and those of the backends that are installed; in order."""
    own = Path(__file__).parent
    packages = [own, own / "checkpoints", own / "sweeps", Path(itc_dsl.__file__).parent, *installed.folders()]
    found = [explanation for package in packages for explanation in read_folder(package)]
    return {explanation.code: explanation for explanation in sorted(found, key=lambda e: e.code)}


def names(path: str | Path) -> tuple[str, ...]:
    """The networks of a spec, the default one first. Raises CompileError as `load` does."""
    return read(path).names


@dataclass(frozen=True, slots=True)
class Formatted:
    """A spec as it is and as `itc fmt` writes it."""

    text: str
    formatted: str


def formatted(path: Path, content: bytes | None = None) -> Formatted:
    """A spec in the one style; `content` is its text if it is not in the file. Raises CompileError as `load` does."""
    source = itc_dsl.read_source(path) if content is None else itc_dsl.decoded(str(path), content)
    return Formatted(source.text, itc_dsl.format_source(source))


@dataclass(frozen=True)
class Spec:
    """A file in the language that has been read and checked; it is as it was then, whatever becomes of the file."""

    program: itc_dsl.Program
    budget: itc_dsl.Budget | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Its networks, the default one first."""
        return tuple(network.name.text for network in self.program.main.networks)

    @property
    def files(self) -> tuple[Path, ...]:
        """The file and those that it imports, of which no command writes one."""
        return tuple(map(Path, self.program.files))

    def documents(self) -> tuple[str, dict[str, str]]:
        """The documentation comments: the file's, and for each definition that has one its own."""
        module = self.program.main.module
        comments = {definition.name.text: itc_dsl.documentation(definition) for definition in module.definitions}
        return itc_dsl.file_documentation(module), {name: text for name, text in comments.items() if text}

    def network(self, name: str | None = None, /, **settings: Any) -> Network:
        """One of its networks, as `load` gives it."""
        if not isinstance(name, str | None):
            raise TypeError(f"`network` is the name of a network, not {name!r:.60}")
        loaded = itc_dsl.load_checked(self.program, name, settings, self.budget)
        return Network(loaded.net, loaded.published)


@dataclass(frozen=True)
class Network:
    """A network for one input size, and all that itc makes of it."""

    ir: Net
    published: tuple[Published, ...] = ()
    spec: Net | None = None
    adapt: Adapt = unchanged

    def after(self, *passes: str | Transform) -> Network:
        """The network behind these passes and pipelines, such as `net.after("unroll(factor=2)", "dce")`.

        Its outputs have the same labels and values, and its `weights` are made of those of the spec. Raises WrongPass
        for a name or an option that there is not.
        """
        _, result = [("", self), *self.steps(*passes)][-1]
        return result

    def steps(self, *passes: str | Transform) -> Iterator[tuple[str, Network]]:
        """The network behind each single pass of these, those of pipelines one by one, with the pass's name."""
        for each in passes:
            if not isinstance(each, str) and not callable(each):
                raise TypeError(f"a pass is a name or a transform, not {each!r:.60}")
        result = self
        for each in flat(find_pass(each) if isinstance(each, str) else each for each in passes):
            new = Rewritten(result.ir, result.adapt).then(each(result.ir))
            result = replace(result, ir=new.net, spec=self.spec or self.ir, adapt=new.adapt)
            yield each.name, result

    def text(self) -> str:
        """The looped IR as text."""
        return print_net(self.ir)

    def cost(self) -> Cost:
        """Parameters, MACs, graph size, latency, state and peak memory, by the paper's definitions."""
        return cost(self.ir)

    def difference(self, other: Network) -> Difference:
        """What is added, removed and changed from this network to `other`."""
        if not isinstance(other, Network):
            raise TypeError(f"`other` is a network, not {other!r:.60}")
        return difference(self.ir, other.ir)

    def compared(self, cost: Cost) -> tuple[Compared, ...]:
        """The figures that the spec gives for it, each beside what itc counts."""
        return compare(self.ir, self.published, cost.json())

    def weights(self, path: str | Path | None = None, seed: int = 0) -> dict[str, Array]:
        """The spec's checkpoint at `path`, or fresh weights: an array of the parameter's shape for each key.

        Behind passes they are what these made of the spec's: the same network, though some keys may be gone.
        """
        if not isinstance(seed, SupportsIndex) or seed.__index__() < 0:
            raise ValueError(f"`seed` is a whole number from 0, not {seed!r:.60}")
        spec = self.spec or self.ir
        if path is None:
            check_weights(spec)
        found = checkpoints.initial(spec, seed.__index__()) if path is None else checkpoints.load(Path(path), spec)
        return dict(self.adapt(found))

    def interpret(self, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
        """Outputs by label, by the reference interpreter; `inputs` are arrays [batch, ...].

        Raises CompileError for arrays that are not as the network has them (E0612 to E0614, E0660 to E0663), and for
        what would take too much memory or time (E0665, E0666).
        """
        values, params = checked(self.ir, inputs, weights)
        batch = len(next(iter(values.values()), ()))
        check_workload(workload(self.ir, batch), f"computing {self.ir.name}", self.ir.span)
        return interpret(self.ir, values, params)

    def torch(self, form: str = "rolled") -> Any:
        """A `torch.fx.GraphModule`: `rolled` (the body called in a loop) or `unrolled` (one flat graph)."""
        return training_backend().lower(self.ir, form)

    def emit(self, to: str = "") -> str:
        """The source of a module that does not import itc: of a target such as `torch`, or the default one."""
        if not isinstance(to, str):
            raise ValueError(f"`to` is the name of an emit target, not {to!r:.60}")
        return installed.target(to or next(iter(installed.targets()), "")).text(self.ir)

    def compile(self, machine: Any = MACHINE, objective: str = "throughput") -> Compiled:
        """The program for a machine: a name, the path of a file, or loaded. Raises CompileError if it does not fit.

        Without a machine it is the default one of the backend that has machines, the first of several. `objective` is
        the goal of the mapping: `throughput` of a stream of images, or for one image the `first` or the `last` output,
        of which `latency` is another name.
        """
        if objective not in OBJECTIVES:
            raise ValueError(f"the objective is one of {', '.join(OBJECTIVES)}, not {objective!r:.60}")
        machines = machine_backend() if machine is MACHINE else machine_backend(machine)
        target = machines.load(machines.default if machine is MACHINE else machine)
        return Compiled(self, target, machines.compile(self.ir, target, objective), machines)


@dataclass(frozen=True)
class Compiled:
    """A network mapped onto a machine."""

    network: Network
    machine: Any
    program: Any
    machines: Machines = field(repr=False)

    @cached_property
    def report(self) -> Any:
        """Fit, cycles, stream of images, and the machine's lower bound; `report.json()` for tools."""
        found: Report = self.machines.report(self.program)
        return found

    def run(self, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
        """Outputs by label, computed by the simulated tiles from their own stores; raises as `interpret` does."""
        return self.machines.simulate(self.program, *checked(self.network.ir, inputs, weights))


def machine_backend(machine: Any = None) -> Machines:
    """The machines of the backend that owns `machine`; else, as for none, of the first that has any."""
    return installed.machines(machine)


def training_backend() -> Modules:
    """The trainable modules of the first backend that has any."""
    _, found = installed.modules()
    return found


def find_pass(text: str) -> Transform:
    """A pass or pipeline by its name, with options behind it, as `itc show --after` takes it. Raises WrongPass."""
    name = text.partition("(")[0].strip()
    return named(text, TRANSFORMS if name in TRANSFORMS else {**TRANSFORMS, **backend_passes()})


def backend_passes() -> dict[str, Transform]:
    """The passes that backends bring along, of those that can be loaded."""
    found: dict[str, Transform] = {}
    for backend in installed.backends():
        with suppress(CompileError):
            found |= {name: load() for name, load in installed.require(backend).passes.items()}
    return found


def stage_text(
    path: Path, stage: str, network: str | None, settings: Iterable[str], passes: Iterable[str] = (), **options: Any
) -> str:
    """One stage of the pipeline as text: `ast`, `ir`, or a backend's; all but the first behind these passes."""
    if stage == "ast":
        return itc_dsl.print_ast(itc_dsl.parse(itc_dsl.read_source(path)))
    net = load(path, network, **parse_settings(settings)).after(*passes)
    return net.text() if stage == "ir" else installed.stage(stage).text(net.ir, **options)
