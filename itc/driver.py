"""The whole pipeline on one screen: text -> AST -> IR -> passes -> costs, a program for a machine, a module.

What only some commands need is imported by the function that needs it: every start of `itc` imports this module.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import itc_dsl
from itc.diagnostics import CompileError, fail
from itc.ir.net import Net
from itc.ir.op import Array
from itc.passes import Adapt, Rewritten, Transform, flat, named, unchanged
from itc.records import dataclass
from itc.source import Source

if TYPE_CHECKING:
    from itc.analysis.cost import Cost
    from itc.analysis.difference import Difference
    from itc.backend import Machines, Module, Modules, Report
    from itc.explanations import Explanation
    from itc.figures import Compared, Published

Arrays = Mapping[str, Array]
#: Bytes of a spec at most.
MOST_BYTES = itc_dsl.MOST_BYTES
#: Words that are no names in a spec.
RESERVED = itc_dsl.RESERVED
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


def parse_iterations(texts: Iterable[str]) -> int | dict[str, int]:
    """`["8"]` or `["refine=8"]` as numbers of iterations. Raises CompileError (E0424) for what is no number."""
    found: dict[str, int] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        if not number.strip().isdecimal():
            help = "write `--iterations 8`, or `--iterations NAME=8` for each loop"
            raise fail("E0424", f"the number of iterations is a whole number, not `{number[:40]}`", help=help)
        found[name.strip()] = int(number)
    return found.get("", found)


def load(path: str | Path, network: str | None = None, /, **settings: Any) -> Network:
    """The network of a spec: the first of the file, or the one named `network`.

    `path` is a file, or `-` for standard input. `settings` override its parameters (`f=29`) and annotations
    (`**{"refine.share": "none"}`), as `--set` does. Raises CompileError with every diagnostic of the phase that failed.
    """
    return read(path).network(network, **settings)


def loads(text: str, network: str | None = None, /, **settings: Any) -> Network:
    """The network of a spec that is a text; imports are resolved in the current folder. As `load` otherwise."""
    if not isinstance(text, str):
        raise TypeError(f"a spec is a text, not {text!r:.60}")
    program = itc_dsl.check(itc_dsl.parse(Source("<text>", text)), Path())
    return Spec(program).network(network, **settings)


def read(path: str | Path, together: bool = False) -> Spec:
    """A spec, checked, for several of its networks or settings. Raises CompileError as `load` does.

    Loaded `together`, they share the bound on the steps of elaboration, so that a file of many takes no longer.
    """
    program = itc_dsl.check(itc_dsl.parse(itc_dsl.read_source(Path(path))), Path(path).parent)
    return Spec(program, itc_dsl.Budget() if together else None)


def explanations() -> dict[str, Explanation]:
    """What each code means: itc's own, the language's, and those of the backends that are installed; in order."""
    from itc import installed
    from itc.explanations import read_folder

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


def references(kind: str) -> dict[str, Any]:
    """What a spec can call, by name: the `operations`, or the `blocks` of the standard library."""
    return itc_dsl.operations() if kind == "operations" else itc_dsl.blocks()


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

    def __repr__(self) -> str:
        inputs = ", ".join(f"{value.name}: {value.tensor}" for value in self.ir.inputs)
        outputs = ", ".join(f"{output.name} x {len(output.labels)}" for output in self.ir.outputs)
        return f"<Network {self.ir.name}({inputs}) -> {outputs}; {len(self.ir.params)} parameter tensors>"

    def _repr_html_(self) -> str:
        return self.cost()._repr_html_()

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
            result = result.rewritten(each(result.ir))
            yield each.name, result

    def rewritten(self, new: Rewritten) -> Network:
        """The network that a pass made of this one."""
        composed = Rewritten(self.ir, self.adapt).then(new)
        return replace(self, ir=composed.net, spec=self.spec or self.ir, adapt=composed.adapt)

    def text(self) -> str:
        """The looped IR as text."""
        from itc.ir.printer import print_net

        return print_net(self.ir)

    def cost(self) -> Cost:
        """Parameters, MACs, graph size, latency, state and peak memory, by the paper's definitions."""
        from itc.analysis.cost import cost

        return cost(self.ir)

    def difference(self, other: Network) -> Difference:
        """What is added, removed and changed from this network to `other`."""
        from itc.analysis.difference import difference

        if not isinstance(other, Network):
            raise TypeError(f"`other` is a network, not {other!r:.60}")
        return difference(self.ir, other.ir)

    def compared(self, cost: Cost) -> tuple[Compared, ...]:
        """The figures that the spec gives for it, each beside what itc counts."""
        from itc.figures import compare

        return compare(self.ir, self.published, cost.json())

    def weights(self, path: str | Path | None = None, seed: int = 0) -> dict[str, Array]:
        """The spec's checkpoint at `path`, or fresh weights: an array of the parameter's shape for each key.

        Behind passes they are what these made of the spec's: the same network, though some keys may be gone.
        """
        from itc import weights as checkpoints
        from itc.analysis.workload import check_weights

        if not isinstance(seed, SupportsIndex) or seed.__index__() < 0:
            raise ValueError(f"`seed` is a whole number from 0, not {seed!r:.60}")
        spec = self.spec or self.ir
        if path is None:
            check_weights(spec)
        found = checkpoints.initial(spec, seed.__index__()) if path is None else checkpoints.load(Path(path), spec)
        return dict(self.adapt(found))

    def interpret(
        self, inputs: Arrays, weights: Arrays, iterations: int | Mapping[str, int] | None = None
    ) -> dict[str, Array]:
        """Outputs by label, by the reference interpreter; `inputs` are arrays [batch, ...].

        With `iterations` they are those of `with_iterations(iterations)`.

        Raises CompileError for arrays that are not as the network has them (E0612 to E0614, E0660 to E0663), and for
        what would take too much memory or time (E0665, E0666).
        """
        if iterations is not None:
            return self.with_iterations(iterations).interpret(inputs, weights)
        from itc.arguments import checked
        from itc.interpreter import interpret

        values, params = checked(self.ir, inputs, weights)
        self.check_sizes(len(next(iter(values.values()), ())))
        return interpret(self.ir, values, params)

    def check_sizes(self, batch: int = 1) -> None:
        """Raises CompileError where computing `batch` samples would take too much memory or time (E0665, E0666)."""
        from itc.analysis.workload import check_workload, workload

        check_workload(workload(self.ir, batch), f"computing {self.ir.name}", self.ir.span)

    def with_iterations(self, iterations: int | Mapping[str, int]) -> Network:
        """The network with another number of iterations on the same parameters, of its loop or of loops by name.

        Exits and conditions follow the loop: those of all iterations or of every n-th go on, one at the last iteration
        moves with it, others stay. Raises CompileError where private parameters have fewer sets (E0422), for a loop
        that there is not (E0423), and for a number below 1 (E0424).
        """
        from itc.ir.iteration_counts import with_iterations

        return replace(self, ir=with_iterations(self.ir, iterations), spec=self.spec or self.ir)

    def torch(self, form: str = "rolled", halting: str = "stop", weights: str | Path | Arrays | None = None) -> Module:
        """A `torch.fx.GraphModule`: `rolled` (the body called in a loop) or `unrolled` (one flat graph).

        At inference a rolled loop that halts stops with its slowest image; with `halting="masked"` all iterations run
        and images that have halted are frozen, so that the module can be exported, traced and compiled as a whole.
        `weights` are a checkpoint's file, or arrays by key; else they are fresh.
        """
        module = training_backend().lower(self.ir, form, halting)
        if weights is not None:
            module.load_state_dict(self.weights(weights) if isinstance(weights, str | Path) else weights)
        return module

    def emit(self, to: str = "") -> str:
        """The source of a module that does not import itc: of a target such as `torch`, or the default one."""
        from itc import installed

        if not isinstance(to, str):
            raise ValueError(f"`to` is the name of an emit target, not {to!r:.60}")
        return installed.target(to or next(iter(installed.targets()), "")).text(self.ir)

    def quantize(self, precision: str, inputs: Arrays | None = None, *, samples: int = 32, seed: int = 0) -> Network:
        """The network in `f16` or `i8`, or itself in `f32`: see docs/precision.md. Inputs and outputs stay float32.

        The scales of `i8` are those of the weights that it is given, over `inputs`, arrays [batch, ...], or over
        `samples` random ones.
        """
        from itc.transforms.quantize import quantization

        return self.after(*quantization(precision, inputs, samples, seed))

    def compile(
        self,
        machine: Any = MACHINE,
        objective: str = "throughput",
        mapping: str = "spatial",
        batch: int = 1,
        *,
        precision: str = "f32",
    ) -> Compiled:
        """The program for a machine: a name, the path of a file, or loaded. Raises CompileError if it does not fit.

        Without a machine it is the default one of the backend that has machines, the first of several. `objective` is
        the goal of the mapping: `throughput` of a stream of images, or for one image the `first` or the `last` output,
        of which `latency` is another name. Under `spatial` mapping kernels own their tiles; under `temporal` mapping
        they run one at a time on all tiles, for `batch` images at once; `auto` is the better of both. With another
        `precision` than `f32`, the program is that of the network as `quantize` gives it.
        """
        from itc.transforms.quantize import quantization

        if objective not in OBJECTIVES:
            raise ValueError(f"the objective is one of {', '.join(OBJECTIVES)}, not {objective!r:.60}")
        if mapping not in ("spatial", "temporal", "auto"):
            raise ValueError(f"the mapping is spatial, temporal or auto, not {mapping!r:.60}")
        if not isinstance(batch, int) or batch < 1:
            raise ValueError(f"`batch` is a whole number from 1, not {batch!r:.60}")
        narrow = Rewritten(self.ir)
        for each in quantization(precision):
            narrow = each(self.ir)
        quantized = self.rewritten(narrow) if narrow.net is not self.ir else self
        machines = machine_backend() if machine is MACHINE else machine_backend(machine)
        target = machines.load(machines.default if machine is MACHINE else machine)
        program = machines.compile(quantized.ir, target, objective, mapping, batch)
        return Compiled(quantized, target, program, machines, self, narrow.adapt)


@dataclass(frozen=True)
class Compiled:
    """A network mapped onto a machine; `adapt` quantises the weights of its `source`."""

    network: Network
    machine: Any
    program: Any
    machines: Machines = field(repr=False)
    source: Network = field(repr=False)
    adapt: Adapt = field(default=unchanged, repr=False)

    def __repr__(self) -> str:
        return f"<Compiled {self.network.ir.name} on {getattr(self.machine, 'name', self.machine)} (simulated)>"

    def _repr_html_(self) -> str:
        from itc.html import html

        return "".join(html(table) for table in self.report.tables())

    @cached_property
    def report(self) -> Any:
        """Fit, cycles, stream of images, and the machine's lower bound; `report.json()` for tools."""
        found: Report = self.machines.report(self.program)
        return found

    def check_sizes(self, batch: int = 1) -> None:
        """Raises CompileError where running `batch` samples, or the reference, would take too much (E0665, E0666)."""
        self.network.check_sizes(batch)
        self.machines.check_sizes(self.program, batch)

    def run(self, inputs: Arrays, weights: Arrays) -> dict[str, Array]:
        """Outputs by label, computed by the simulated tiles from their own stores; raises as `interpret` does.

        The weights are those of this network, or of the `source`, which are quantised then.
        """
        from itc.arguments import checked

        return self.machines.simulate(self.program, *checked(self.network.ir, inputs, self.quantized(weights)))

    def quantized(self, weights: Arrays) -> Arrays:
        """The weights of this network, of its own or of those of the `source`."""
        from itc.arguments import checked_weights, has_types

        if self.adapt is unchanged or has_types(weights, self.network.ir):
            return weights
        return self.adapt(checked_weights(self.source.ir, weights))


def machine_backend(machine: Any = None) -> Machines:
    """The machines of the backend that owns `machine`; else, as for none, of the first that has any."""
    from itc import installed

    return installed.machines(machine)


def training_backend() -> Modules:
    """The trainable modules of the first backend that has any."""
    from itc import installed

    _, found = installed.modules()
    return found


def find_pass(text: str) -> Transform:
    """A pass or pipeline by its name, with options behind it, as `itc show --after` takes it. Raises WrongPass."""
    from itc.transforms import TRANSFORMS

    name = text.partition("(")[0].strip()
    return named(text, TRANSFORMS if name in TRANSFORMS else {**TRANSFORMS, **backend_passes()})


def backend_passes() -> dict[str, Transform]:
    """The passes that backends bring along, of those that can be loaded."""
    from itc import installed

    found: dict[str, Transform] = {}
    for backend in installed.backends():
        with suppress(CompileError):
            found |= {name: load() for name, load in installed.require(backend).passes.items()}
    return found


def stage_text(
    path: Path,
    stage: str,
    network: str | None,
    settings: Iterable[str],
    passes: Iterable[str | Transform] = (),
    **options: Any,
) -> str:
    """One stage of the pipeline as text: `ast`, `ir`, or a backend's; all but the first behind these passes."""
    from itc import installed

    if stage == "ast":
        return itc_dsl.print_ast(itc_dsl.parse(itc_dsl.read_source(path)))
    net = load(path, network, **parse_settings(settings)).after(*passes)
    return net.text() if stage == "ir" else installed.stage(stage).text(net.ir, **options)
