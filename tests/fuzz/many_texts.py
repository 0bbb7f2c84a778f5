"""Runs a target on many mutated and random texts and counts what comes of them: `python tests/fuzz/many_texts.py -h`.

The same seed gives the same texts. Ends with status 1 if any text gave another exception than CompileError, took more
than 10 s of processor time, or needed more than 1 GiB; each kind of find is written to a file of its own.
"""

from __future__ import annotations

import argparse
import resource
import sys
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from time import perf_counter

ROOT = Path(__file__).parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "dsl"), str(ROOT / "backends")]

from tests.fuzz import bounds, texts  # noqa: E402
from tests.fuzz.targets import KINDS, TARGETS  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, default="specs", help="what the inputs are; specs unless given")
    parser.add_argument("--finds", type=Path, default=Path("finds"), help="folder for texts that break a bound")
    given = parser.parse_args()
    with bounds.at_most():
        return run(KINDS[given.kind], given.count, given.seed, given.finds)


def run(letter: str, count: int, seed: int, finds: Path) -> int:
    rng, target = Random(seed), TARGETS[letter]
    seeds, codes, found = target.seeds(), Counter[str](), Counter[str]()
    started, slowest = perf_counter(), 0.0
    for number in range(count):
        text = texts.random_text(rng, target.words) if rng.random() < 0.1 else target.mutated(rng.choice(seeds), rng)
        at = perf_counter()
        try:
            with bounds.in_time():
                codes.update(dict.fromkeys(target.explains(text), 1) or {"a net": 1})
        except Exception as error:
            keep(error, text, finds, found)
        slowest = max(slowest, perf_counter() - at)
        if (number + 1) % 1000 == 0:
            print(f"{number + 1} texts, {perf_counter() - started:.0f} s, finds {sum(found.values())}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"seed {seed}: {count} texts, {perf_counter() - started:.0f} s, slowest {slowest:.2f} s, peak {peak:.0f} MiB")
    print(", ".join(f"{code} {times}" for code, times in sorted(codes.items())))
    print(f"finds: {dict(found) or 'none'}")
    return 1 if found else 0


def keep(error: Exception, text: str, folder: Path, found: Counter[str]) -> None:
    """Writes the first text of each kind of find, and says where it came from."""
    places = [f"{Path(frame.filename).stem}-{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    kind = f"{type(error).__name__}-{places[-1]}"
    found[kind] += 1
    if found[kind] == 1:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / kind).write_text(text, encoding="utf-8", errors="surrogateescape")
        print(f"{kind}: {str(error)[:200]}\n  {' '.join(places[-6:])}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
