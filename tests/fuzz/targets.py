"""What is fuzzed: a target takes a text that a user may hand in; anything that it raises is a find.

Each holds that bad input gives coded diagnostics (CompileError) and nothing else, and good input comes through whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from tempfile import NamedTemporaryFile

from itc import weights
from itc.analysis.cost import cost
from itc.checkpoints import import_weights, read_tensors
from itc.diagnostics import CompileError
from itc.ir import LAYERS, OPS, Net, TensorType, parse_net, print_net, verify
from itc.ir.op import Array
from itc.pictures import read_picture
from itc.source import Source
from itc_dsl import Program, check, load_net, parse, parse_setting
from itc_dsl.lowering import lower
from itc_dsl.settings import choose
from itc_tile import compile_net, load_machine, parse_machine, report
from itc_tile.validate.rows import read_rows
from tests.fuzz import binaries, texts

#: Characters of IR text up to which a spec's net is also read back; reading long ones is slow and tells no more.
ROUND_TRIP = 10_000
TINY = """net @tiny(%x: f32[3, 4, 5]) {
  param @a.weight: f32[2, 3, 1, 1] {role = weight, init = kaiming}
  param @a.bias: f32[2] {role = bias, init = "0.25"}
  %0 = conv(%x, @a.weight, @a.bias): f32[2, 4, 5]
  return %0 {name = y}
}"""


def spec(text: str) -> None:
    """Text to tree to IR to costs, for the first and the last network of the file."""
    program = check(parse(Source("fuzzed.itn", text)))
    names = [network.name.text for network in program.main.networks] or [None]
    for name in dict.fromkeys((names[0], names[-1])):
        comes_through(lower(program, choose(program.main, program.groups, name)))


def mapped(text: str) -> None:
    """The first network of a file on two machines: a large one, and one whose tiles have hardly any memory to spare."""
    net = load_net(Source("fuzzed.itn", text))
    faults = []
    for name in ("gc200", "gc2"):
        try:
            report(compile_net(net, load_machine(name))).json()
        except CompileError as error:
            faults += error.diagnostics
    if faults:
        raise CompileError(faults)


def comes_through(net: Net) -> None:
    """Costs come out of a net, and its text is read back as the same net."""
    cost(net).json()
    shown = print_net(net)
    if len(shown) <= ROUND_TRIP:
        assert parse_net(shown) == net


def ir(text: str) -> None:
    comes_through(verify(parse_net(text)))


def setting(text: str) -> None:
    """Settings of the example, each read as `--set` does, then all at once."""
    given = dict(parse_setting(part) for part in text.split("\0"))
    program = example()
    comes_through(lower(program, choose(program.main, program.groups, None, given)))


def machine(text: str) -> None:
    """A machine, and a small net mapped onto it."""
    report(compile_net(tiny(), parse_machine(Source("fuzzed.yaml", text)))).json()


def expected_rows(text: str) -> None:
    """A file of expected figures."""
    with NamedTemporaryFile(suffix=".csv") as file:
        Path(file.name).write_bytes(text.encode("utf-8", "replace"))
        read_rows(Path(file.name), load_machine("gc200"))


def checkpoint(text: str) -> None:
    """A file of weights, imported as far as it fits, and loaded as a checkpoint."""
    faults = []
    with NamedTemporaryFile(suffix=".safetensors") as file:
        Path(file.name).write_bytes(text.encode("latin-1", "replace"))
        for read in (imported, lambda path: weights.load(path, tiny())):
            try:
                loaded = read(Path(file.name))
                assert {key: value.shape for key, value in loaded.items()} == {"a.weight": (2, 3, 1, 1), "a.bias": (2,)}
            except CompileError as error:
                faults += error.diagnostics
    if faults:
        raise CompileError(faults)


def archive(text: str) -> None:
    with NamedTemporaryFile(suffix=".npz") as file:
        Path(file.name).write_bytes(text.encode("latin-1", "replace"))
        imported(Path(file.name))


def imported(path: Path) -> Mapping[str, Array]:
    """Every tensor of a file is read, and those that fit are taken."""
    found = read_tensors(path)
    dict(found)
    return import_weights(found, tiny(), path.name, partial=True).weights


def picture(text: str) -> None:
    """A picture for inputs of colours and of greys."""
    with NamedTemporaryFile(suffix=".png") as file:
        Path(file.name).write_bytes(text.encode("latin-1", "replace"))
        for channels in (3, 1):
            try:
                pixels = read_picture(Path(file.name), TensorType("f32", (channels, 6, 7)))
            except CompileError as error:
                assert "more memory than there is" not in str(error)
                raise
            assert pixels.shape == (1, channels, 6, 7)
            assert ((pixels >= 0) & (pixels <= 1)).all()


@cache
def example() -> Program:
    path = texts.EXAMPLES / "itnet.itn"
    return check(parse(Source(path.name, path.read_text(encoding="utf-8"))))


@cache
def tiny() -> Net:
    return verify(parse_net(TINY))


@dataclass(frozen=True)
class Target:
    """A target, the texts to start from, and what else may stand in them."""

    run: Callable[[str], None]
    seeds: Callable[[], Sequence[str]]
    words: Sequence[str] = ()
    mutate: Callable[[str, Random], str] | None = None

    def explains(self, text: str) -> tuple[str, ...]:
        """The codes of the diagnostics that a text gives, none if it is good. Any other exception is a find."""
        try:
            self.run(text)
        except CompileError as error:
            assert error.diagnostics
            for diagnostic in error.diagnostics:
                assert diagnostic.code in str(error)
                diagnostic.json()
            return tuple(diagnostic.code for diagnostic in error.diagnostics)
        return ()

    def mutated(self, text: str, rng: Random) -> str:
        return self.mutate(text, rng) if self.mutate else texts.mutated(text, rng, self.words)


SPEC_WORDS = [*texts.WORDS, *sorted(LAYERS), "@halt(act)", "@halt(above=0.9)", "@loop(max=3)", "halt x", "like=x"]
SPEC_WORDS += ["1000", "65536", "1000000", "1e999", "iteration % 2 == 1", "range(1000)", "at all", "@share(every=3)"]
IR_WORDS = [*texts.NUMBERS, *texts.TENSORS, *sorted(OPS), "%x", "%0", "@a.weight", "{1..4}", "{1..9 by 2}", "yield"]
IR_WORDS += ["loop", "when", "emit", "halt", "each", "carry", "else", "return", "param", "[[[]]]", "{}", "=", "name"]
YAML_WORDS = ["-", "?", "&a", "*a", "!!python/object:os.system", "|", ">", "{}", "[]", "~", "yes", "GHz", "KiB", "mesh"]
#: By the letter that a fuzzed input starts with.
TARGETS = {
    "s": Target(spec, texts.specs, SPEC_WORDS),
    "t": Target(mapped, texts.small_specs, SPEC_WORDS),
    "i": Target(ir, texts.irs, IR_WORDS),
    "m": Target(machine, texts.machines, [*texts.NUMBERS, *YAML_WORDS, "torus", "cycles", "B/cycle", "1 x 1", ":"]),
    "v": Target(
        expected_rows, texts.expected_rows, [*texts.NUMBERS, ",", "3x3", "x", "True", "IpuModel2", "gemm_2x3x4"]
    ),
    "o": Target(setting, texts.settings, [*texts.WORDS, *texts.NUMBERS, "refine.share", "every(2)", "\0f=3"]),
    "c": Target(checkpoint, texts.checkpoints, texts.NUMBERS, binaries.mutated_safetensors),
    "z": Target(archive, binaries.npzs, ("PK\3\4", "PK\1\2", *texts.NUMBERS), binaries.mutated_npz),
    "p": Target(picture, binaries.pictures, ("P6 2 2 9 ", "P3", "BM", "RIFF", "\xff\xd8"), binaries.mutated_picture),
}
#: Targets whose texts stand for bytes, a character for each.
BINARY = frozenset("czp")
#: The targets by what a user calls their inputs.
KINDS = {
    "specs": "s", "mapped": "t", "irs": "i", "machines": "m", "settings": "o", "safetensors": "c", "npz": "z",
    "pictures": "p", "expected": "v",
}  # fmt: skip
