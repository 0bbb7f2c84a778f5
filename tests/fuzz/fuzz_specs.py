"""A coverage-guided fuzzer of all targets: `python tests/fuzz/fuzz_specs.py -seed=1 -max_total_time=3600 CORPUS`.

Needs the extra `fuzz`. Arguments are libFuzzer's; a folder CORPUS that is not there is made of the targets' seeds. The
first letter of an input names its target. A find is written to `CORPUS/../finds` and the fuzzer goes on; `--once` ends
at the first. More than 10 s of processor time are a find; libFuzzer itself ends a run for a process of more than 1 GiB,
and for an input that takes two minutes of the clock, as the machine may be busy with other things.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from random import Random

import atheris

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "dsl"), str(ROOT / "backends")]

FOLDERS = [ROOT / "itc", ROOT / "dsl" / "itc_dsl", ROOT / "backends" / "itc_tile"]
#: An instrumented comparison of arrays never frees its result (atheris 3.0), so modules with arrays are left out.
WITH_ARRAYS = [
    ".".join(path.relative_to(folder.parent).with_suffix("").parts)
    for folder in FOLDERS
    for path in folder.rglob("*.py")
    if "numpy" in path.read_text(encoding="utf-8")
]
with atheris.instrument_imports(include=[folder.name for folder in FOLDERS], exclude=WITH_ARRAYS):
    from tests.fuzz.targets import BINARY, TARGETS

from tests.fuzz import bounds  # noqa: E402
from tests.fuzz.many_texts import keep  # noqa: E402

BOUNDS = ["-timeout=120", "-rss_limit_mb=1024", "-max_len=20000", "-len_control=0", "-print_final_stats=1"]
FOUND = Counter[str]()


def encoded(letter: str, text: str) -> bytes:
    return (letter + text).encode("latin-1" if letter in BINARY else "utf-8", "replace")


def decoded(data: bytes) -> tuple[str, str]:
    """The target's letter and the text; inputs that start with no target's letter are specs."""
    letter = chr(data[0]) if data and chr(data[0]) in TARGETS else "s"
    return letter, data[1:].decode("latin-1" if letter in BINARY else "utf-8", "replace")


def change(data: bytes, most: int, seed: int) -> bytes:
    """libFuzzer's own mutation now and then; most often the target's, which knows words and signs."""
    rng = Random(seed)
    if rng.random() < 0.1:
        return data[:1] + atheris.Mutate(data[1:], most - 1) if data else b"s"
    letter, text = decoded(data)
    return encoded(letter, TARGETS[letter].mutated(text, rng))[:most]


def cross(one: bytes, other: bytes, most: int, seed: int) -> bytes:
    """Lines of `one` with a stretch of the lines of `other`, if both are for the same target."""
    rng = Random(seed)
    if one[:1] != other[:1]:
        return one[:most]
    lines, more = one[1:].split(b"\n"), other[1:].split(b"\n")
    at, start = rng.randrange(len(lines) + 1), rng.randrange(len(more))
    lines[at:at] = more[start : start + rng.randint(1, 12)]
    return (one[:1] + b"\n".join(lines))[:most]


def main() -> None:
    arguments = [argument for argument in sys.argv if argument != "--once"]
    corpus = Path(next((a for a in arguments[1:] if not a.startswith("-")), "corpus"))
    finds = None if "--once" in sys.argv else corpus.parent / "finds"
    fill(corpus)

    def one_input(data: bytes) -> None:
        letter, text = decoded(data)
        try:
            with bounds.in_time():
                TARGETS[letter].explains(text)
        except Exception as error:
            if finds is None:
                raise
            keep(error, letter + text, finds, FOUND)

    given = [arguments[0], *BOUNDS, *arguments[1:]]
    given += [] if str(corpus) in arguments else [str(corpus)]
    atheris.Setup(given, one_input, custom_mutator=change, custom_crossover=cross)
    atheris.Fuzz()


def fill(corpus: Path) -> None:
    """Writes the seeds of all targets to a folder that is not there."""
    if corpus.exists():
        return
    corpus.mkdir(parents=True)
    for letter, target in TARGETS.items():
        for number, text in enumerate(target.seeds()):
            (corpus / f"{letter}{number}").write_bytes(encoded(letter, text))


if __name__ == "__main__":
    main()
