"""Hostile sizes end with status 1 and a code, or are computed, in under 1 GiB and 10 s of CPU time."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

MOST_MIB, MOST_SECONDS = 1024, 10

#: What follows `input x: f32[3, 8, 8]` in a network, or all of a file, by name.
SPECS = {
    "dilation_1000": "emit y = conv(x, 4, 3, dilation=1000)",
    "dilation_3000": "emit y = conv(x, 4, 3, dilation=3000)",
    "dilation_1e9": "emit y = conv(x, 4, 3, dilation=1000000000)",
    "max_pool_9001": "emit y = max_pool(x, 9001, stride=9001, pad=4500)",
    "avg_pool_9001": "emit y = avg_pool(x, 9001, stride=9001, pad=4500)",
    "adaptive_700": "emit y = adaptive_pool(x, 700)",
    "adaptive_30000": "emit y = adaptive_pool(x, 30000)",
    "transposed_5000": "emit y = conv_transpose(x, 4, 3, stride=5000, pad=17500)",
    "transposed_50": "emit y = conv_transpose(x, 4, 3, stride=50, pad=170)",
    "resize_20000": "emit y = resize(x, size=[20000, 20000], mode=bilinear)",
    "concat_1e5": "emit y = concat([x] * 100000)",
    "concat_1024": "emit y = concat([x] * 1024)",
    "linear_1e9": "emit y = linear(global_pool(x), 1000000000)",
    "rois_200": "emit y = roi_align(x, transpose(reshape(conv(x, 4, 1), [4, 64])), 200)",
    "many_proposals": "emit y = proposals(conv(x, 9, 1), conv(x, 36, 1), like=x, count=1000000)",
    "most_proposals": "emit y = proposals(conv(x, 9, 1), conv(x, 36, 1), like=x, count=1000000, candidates=1000000)",
    "input_20000": "network net:\n    input x: f32[3, 20000, 20000]\n    emit y = relu(x)\n",
    "input_1e8": "network net:\n    input x: f32[1, 1, 100000000]\n    emit y = relu(x)\n",
    "rank_32": f"network net:\n    input x: f32[{'1, ' * 31}3]\n    emit y = relu(x)\n",
    "rank_63": f"network net:\n    input x: f32[{'1, ' * 62}3]\n    emit y = relu(x)\n",
    "rank_70": f"network net:\n    input x: f32[{'1, ' * 69}3]\n    emit y = relu(x)\n",
    "loop_1e6": "@loop(times)\niterative inner(carry x, times):\n    x = relu(x)\n\n"
    "@loop(times)\niterative outer(carry x, times):\n    x = inner(x, 1000000)\n\n"
    "network net:\n    input x: f32[3, 8, 8]\n    emit y = outer(x, 1000000)\n",
    "deep_chain": "network net:\n    input x: f32[64, 200, 200]\n    for i in range(200):\n"
    "        x = relu(x) + i\n    emit y = x\n",
}
#: Cases of the quick suite: a spec, and the codes with which `itc run` ends.
REFUSED = {
    "dilation_1e9": "E0665",
    "transposed_5000": "E0665",
    "input_20000": "E0510",
    "rank_70": "E0391",
    "loop_1e6": "E0666",
}


def spec(name: str, folder: Path) -> str:
    """The file of a spec."""
    text = SPECS[name]
    whole = text if "network" in text else f"network net:\n    input x: f32[3, 8, 8]\n    {text}\n"
    path = folder / f"{name}.itn"
    path.write_text(whole)
    return str(path)


def limited(arguments: list[str], folder: Path) -> tuple[int, str]:
    """Status and standard error of a command that keeps to the bounds."""
    error, output = folder / "error", os.open(os.devnull, os.O_WRONLY)
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "itc", *arguments],
        {**os.environ, "OMP_NUM_THREADS": "1"},
        file_actions=[
            (os.POSIX_SPAWN_DUP2, output, 1),
            (os.POSIX_SPAWN_OPEN, 2, str(error), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        ],
    )
    _, status, used = os.wait4(process, 0)
    os.close(output)
    said = error.read_text()
    assert "Traceback" not in said, said
    assert used.ru_maxrss / 1024 < MOST_MIB, used.ru_maxrss / 1024
    assert used.ru_utime + used.ru_stime < MOST_SECONDS, used
    return os.waitstatus_to_exitcode(status), said


def run(name: str, folder: Path) -> tuple[int, str]:
    """`itc run` on the small machine; if it is refused, with a code."""
    status, said = limited(["run", spec(name, folder), "-m", "edge-16", "-o", str(folder / "out")], folder)
    assert status == 0 or (status == 1 and re.search(r"error\[E\d{4}\]", said)), (status, said)
    return status, said


@pytest.mark.parametrize(("name", "code"), REFUSED.items())
def test_what_is_refused(name: str, code: str, tmp_path: Path) -> None:
    status, said = run(name, tmp_path)
    assert status == 1
    assert re.search(rf"error\[{code}\]", said), said
    assert not (tmp_path / "out").exists()


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in SPECS if name not in REFUSED])
def test_other_sizes(name: str, tmp_path: Path) -> None:
    run(name, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", SPECS)
@pytest.mark.parametrize("command", ["check", "cost", "emit", "show"])
def test_what_computes_no_values(command: str, name: str, tmp_path: Path) -> None:
    path = spec(name, tmp_path)
    more = {"emit": ["-o", "-"], "show": ["--stage", "tile"]}.get(command, [])
    status, said = limited([command, path, *more], tmp_path)
    assert status == 0 or (status == 1 and re.search(r"error\[E\d{4}\]", said)), (status, said)
