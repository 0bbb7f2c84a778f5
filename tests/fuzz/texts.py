"""Texts to start from and ways to change them: seeds of every kind of input, and mutations of their words and signs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from safetensors.numpy import save

import itc_dsl
from itc.ir import print_net
from itc.source import Source
from itc_tile import preset_text, presets

TESTS = Path(__file__).parent.parent
STD = Path(itc_dsl.__file__).parent / "std"
EXAMPLES = TESTS.parent / "examples"
IMPORT = re.compile(r"^from std import (.*)\n", re.MULTILINE)
#: Sizes and counts that make an example slow to no purpose, and what stands for them.
SMALLER = {"[3, 4, 23, 3]": "[1, 2, 2, 1]", "[3, 8, 36, 3]": "[1, 2, 3, 1]", "iterations=16": "iterations=4"}
PIECES = re.compile(r"\w+|\|>|\*\*|//|[^\w\s]|\n[ ]*|\s+")
WORDS = [
    "0", "1", "2", "7", "2.5", "10**9", "2**70", "[1,2]", "none", "true", "all", "iteration", "x", "state",
    "image", "relu", "conv", "batch_norm", "resize", "concat", "linear", "global_pool", "zeros", "identity",
    "range", "zip", "len", "shape", "channels", "min", "|>", "+", "-", "*", "/", "//", "**", "%", "<", "==",
    "in", "not", "and", "or", "if", "else", "for", "return", "yield", "emit", "halt", "input", "at", "carry",
    "each", "(", ")", "[", "]", ",", ":", "=", ".", "@share(none)", "@loop(2)", "@share(calls)", "@loss(mse)",
    "name='q'", "block", "output", "iterative", "data", "network", "from", "\n", "\n    ", "\n        ", "\t",
    "\x00", "é", "$", "#",
]  # fmt: skip
NUMBERS = [
    "0", "-1", "1", "3", "1e9", "1e308", "1e999", "-0.0", "inf", "nan", "1000000", "1048576", "65536", "2147483648",
    "4294967296", "1099511627776", "9223372036854775807", "9223372036854775808", "99999999999999999999",
]  # fmt: skip
TENSORS = ["f32", "f16", "bf16", "i8", "i32", "i64", "u8", "bool", "[]", "f32[]", "f32[1]", "f32[3, 8, 8]", "{}", '""']


@cache
def specs() -> tuple[str, ...]:
    """The zoo as it is and with the blocks of std written out, and the specs of the tests, right and wrong."""
    zoo = [smaller(path.read_text(encoding="utf-8")) for path in sorted(EXAMPLES.glob("*.itn"))]
    tests = [*sorted((TESTS / "dsl" / "specs").glob("*.itn")), *sorted((TESTS / "dsl" / "errors").glob("*.itn"))]
    return (*zoo, *map(inlined, zoo), *(path.read_bytes().decode("utf-8", "replace") for path in tests))


@cache
def small_specs() -> tuple[str, ...]:
    """Specs that are mapped onto a machine in a second or less."""
    zoo = ("iamnn", "iterative_net", "recurrent_unet", "tiny_recursive_model", "universal_transformer")
    paths = [*(EXAMPLES / f"{name}.itn" for name in zoo), *sorted((TESTS / "dsl" / "specs").glob("*.itn"))]
    return tuple(inlined(smaller(path.read_text(encoding="utf-8"))) for path in paths)


def smaller(text: str) -> str:
    for large, small in SMALLER.items():
        text = text.replace(large, small)
    return text


def inlined(text: str) -> str:
    """A spec with the blocks that it imports from std, and those that they import, in its own text."""
    wanted, blocks = _imported(text), dict[str, str]()
    while wanted:
        name = wanted.pop()
        if name not in blocks:
            blocks[name] = (STD / f"{name}.itn").read_text(encoding="utf-8")
            wanted += _imported(blocks[name])
    version, own = re.match(r"(itn 1\n)?", text), IMPORT.sub("", text)
    assert version
    return version[0] + "\n".join(IMPORT.sub("", body) for body in blocks.values()) + own[version.end() :]


def _imported(text: str) -> list[str]:
    return [name for line in IMPORT.findall(text) for name in line.split(", ")]


@cache
def irs() -> tuple[str, ...]:
    """The IR of specs, of small ones to be fast."""
    small = [(TESTS / "dsl" / "specs" / f"{name}.itn").read_text(encoding="utf-8") for name in ("nested", "halting")]
    more = [(TESTS / "dsl" / "specs" / f"{name}.itn").read_text(encoding="utf-8") for name in ("series", "sharing")]
    return tuple(print_net(itc_dsl.load_net(Source("seed.itn", text))) for text in small + more)


def machines() -> tuple[str, ...]:
    """The presets, and the wrong machines of the tests."""
    wrong = sorted((TESTS / "tile" / "errors").glob("*.yaml"))
    return (*map(preset_text, presets()), *(path.read_bytes().decode("utf-8", "replace") for path in wrong))


def expected_rows() -> tuple[str, ...]:
    """Files of expected figures, one of each format."""
    figures = "IpuModel2_cycles,IpuModel2_total_mem,IpuModel2_max_tile_mem"
    sizes = "name,batch,groups,cin,cout,field,kernel,stride,pad_lo,pad_up"
    vertex = "field_elems,in_groups(16ch),out_groups(16ch),conv_units,half_partials,coeff_load_B_per_cycle,cycles"
    return (
        f"{sizes},{figures}\nsmall,1,1,16,16,8x8,3x3,1x1,1x1,1x1,9000,17000000,213000\n",
        f"name,{figures}\ngemm_64x64x64,4000,17000000,213000\n",
        f"{vertex}\n49,1,1,16,True,8,529\n",
    )


def settings() -> tuple[str, ...]:
    """What `--set` may be given; more than one at once with a NUL between, as no argument holds one."""
    return (
        "f=29", "refine.share=none", "refine.share=every(4)", "refine.private=[norm]", "refine.shared=[bias, 'w.x']",
        "exits=[1, 2]\0iterations=2", "f=-1", "f=1e3", "classes=none", "segmentation.share=all\0refine.share=none",
    )  # fmt: skip


@cache
def checkpoints() -> tuple[str, ...]:
    """Checkpoints of the net of `targets`, and of others, as Latin-1 text."""
    weight, bias = np.zeros((2, 3, 1, 1), np.float32), np.zeros(2, np.float32)
    right = {"a.weight": weight, "a.bias": bias}
    wrong = {"a.weight": weight.astype(np.float64), "a.bias": bias.astype(np.int8), "b": np.zeros((0, 3), np.float16)}
    return tuple(save(tensors).decode("latin-1") for tensors in (right, wrong, {}))


def mutated(text: str, rng: Random, words: Sequence[str]) -> str:
    """`text` with one to five of its words and signs deleted, replaced, doubled or swapped."""
    pieces = PIECES.findall(text) or [""]
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        rng.choice(CHANGES)(pieces, rng, words)
        pieces = pieces or [rng.choice(words)]
    return "".join(pieces)


Change = Callable[[list[str], Random, Sequence[str]], None]


def _delete(pieces: list[str], rng: Random, words: Sequence[str]) -> None:
    at = rng.randrange(len(pieces))
    del pieces[at : at + rng.randint(1, 4)]


def _insert(pieces: list[str], rng: Random, words: Sequence[str]) -> None:
    pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(words))


def _replace(pieces: list[str], rng: Random, words: Sequence[str]) -> None:
    pieces[rng.randrange(len(pieces))] = rng.choice(words)


def _rename(pieces: list[str], rng: Random, words: Sequence[str]) -> None:
    """A name or number becomes another of the text or of the words: what stays a sentence most often."""
    names = [i for i, piece in enumerate(pieces) if piece.isidentifier() or piece.isdigit()]
    if names:
        pieces[rng.choice(names)] = rng.choice((pieces[rng.choice(names)], rng.choice(words)))


def _copy(pieces: list[str], rng: Random, words: Sequence[str]) -> None:
    pieces[rng.randrange(len(pieces))] = rng.choice(pieces)


def _swap(pieces: list[str], rng: Random, words: Sequence[str]) -> None:
    one, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
    pieces[one], pieces[other] = pieces[other], pieces[one]


def _repeat(pieces: list[str], rng: Random, words: Sequence[str]) -> None:
    """A stretch of the text a few times more, rarely very often."""
    at, length = rng.randrange(len(pieces)), rng.randint(1, 12)
    pieces[at:at] = pieces[at : at + length] * rng.choice((1, 2, 3, 200))


def _lines(pieces: list[str], rng: Random, words: Sequence[str]) -> None:
    """A line goes to another place."""
    ends = [i for i, piece in enumerate(pieces) if piece.startswith("\n")]
    if len(ends) > 2:
        at = rng.randrange(len(ends) - 1)
        line = pieces[ends[at] : ends[at + 1]]
        del pieces[ends[at] : ends[at + 1]]
        there = rng.choice([i for i, piece in enumerate(pieces) if piece.startswith("\n")])
        pieces[there:there] = line


def _kin(pieces: list[str], rng: Random, words: Sequence[str]) -> None:
    """A piece becomes another of its kind: a number a number, a word a word, a sign a sign."""
    at = rng.randrange(len(pieces))
    kind = _kind(pieces[at])
    pieces[at] = rng.choice([piece for piece in (*pieces, *words) if _kind(piece) == kind])


def _kind(piece: str) -> str:
    if piece.isdigit():
        return "number"
    return "word" if piece.isidentifier() else "space" if piece.isspace() else "sign"


CHANGES: list[Change] = [_delete, _insert, _replace, *[_rename] * 4, *[_kin] * 8, _copy, _swap, _repeat, _lines]


def random_text(rng: Random, words: Sequence[str]) -> str:
    """Words, or characters, in any order."""
    if rng.random() < 0.5:
        return " ".join(rng.choices(words, k=rng.randint(1, 60)))
    return "".join(rng.choices("\t\n\r ()[]{},:=.|>*/%+-<!@#'\"_abemnort019é\x00", k=rng.randint(0, 80)))


def mutated_checkpoint(text: str, rng: Random) -> str:
    """A checkpoint with its header changed and, most often, the length of it made right again."""
    length = int.from_bytes(text[:8].encode("latin-1"), "little")
    header, data = text[8 : 8 + length], text[8 + length :]
    header = mutated(header, rng, [*NUMBERS, '"F32"', '"F64"', '"BF16"', '"BOOL"', "{", "}", "[", "]", ",", ":", '"'])
    header, data = header[:4000], data[: rng.choice((len(data), len(data), len(data), 5))]
    if rng.random() < 0.1:
        scalar = {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}
        header = json.dumps({"__metadata__": {"x": header}, "a.bias": scalar})
    size = len(header.encode("latin-1", "replace")) if rng.random() < 0.9 else rng.choice((0, 2**40, 2**63))
    return size.to_bytes(8, "little").decode("latin-1") + header + data
