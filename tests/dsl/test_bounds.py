"""Hostile specs end in a coded diagnostic, in little time and memory, and large ones load in time by their length."""

from __future__ import annotations

import resource
import time
import tracemalloc
from pathlib import Path

import pytest
from typer.testing import CliRunner

from itc.analysis.cost import cost
from itc.cli import app
from itc.diagnostics import CompileError
from itc.source import Source
from itc_dsl import load_net

SECONDS = 10
BYTES = 500 * 2**20
LONG = "b" * 250
NET = "network net:\n    input image: f32[3, 8, 8]\n"
END = "    emit y = image\n"


def network(*lines: str) -> str:
    return NET + "".join(f"    {line}\n" for line in lines) + END


def looping(count: int, *lines: str) -> str:
    body = "".join(f"    {line}\n" for line in lines)
    return f"@loop({count})\niterative r(carry x):\n{body}{NET}    emit y = r(image)\n"


def chain(count: int) -> str:
    blocks = [f"block b{i}(x):\n    return b{i + 1}(x)\n" for i in range(count)]
    return "".join(blocks) + f"block b{count}(x):\n    return x\n" + NET + "    emit y = b0(image)\n"


def doubling(count: int) -> str:
    blocks = [f"block b{i}(x):\n    return b{i + 1}(x) + b{i + 1}(x)\n" for i in range(count)]
    return "".join(blocks) + f"block b{count}(x):\n    return relu(x)\n" + NET + "    emit y = b0(image)\n"


def nested_bodies(count: int) -> str:
    lines = [" " * (i + 1) + "if true:\n" for i in range(count)]
    return NET.replace("    ", " ") + "".join(lines) + " " * (count + 1) + "x = 1\n emit y = image\n"


HOSTILE = {
    "comprehension over 10^9": (network("x = [i for i in range(1000000000)]"), "E0390"),
    "comprehensions over 10^9": (
        network("x = [1 for a in range(1000) for b in range(1000) for c in range(1000)]"),
        "E0391",
    ),
    "empty comprehension over 10^9": (
        network("x = [1 for a in range(1000) for b in range(1000) for c in range(1000) if false]"),
        "E0391",
    ),
    "for over 10^9": (
        network("for a in range(9999):", "    for b in range(99999):", "        x = 1"),
        "E0391",
    ),
    "exponential list": (network("x = [1]", *["x = x + x"] * 40), "E0390"),
    "exponential nested list": (network("x = [1]", *["x = [x, x]"] * 40), "E0390"),
    "list times 10^9": (network("x = [1] * 1000000000"), "E0390"),
    "concat of 99,999 tensors": (network("y = concat([image] * 99999)"), "E0302"),
    "long string": (network('x = "aaaaaaaaaa"', *["x = x + x"] * 40), "E0307"),
    "power": (network("x = 9 ** 9 ** 9"), "E0307"),
    "mutually recursive blocks": (
        "block a(x):\n    return b(x)\nblock b(x):\n    return c(x)\nblock c(x):\n    return a(x)\n" + network(),
        "E0206",
    ),
    "recursion through an argument": (
        "block a(x, f):\n    return f(x, f)\n" + NET + "    emit y = a(image, a)\n",
        "E0206",
    ),
    "exponential calls": (doubling(40), "E0391"),
    "2,000 blocks deep": (chain(2_000), "E0392"),
    "10,000 brackets deep": (network("x = " + "[" * 10_000 + "]" * 10_000), "E0107"),
    "10,000 parentheses deep": (network("x = " + "(" * 10_000 + "1" + ")" * 10_000), "E0107"),
    "10,000 calls deep": (network("x = " + "relu(" * 10_000 + "image" + ")" * 10_000), "E0107"),
    "10,000 bodies deep": (nested_bodies(1_000), "E0107"),
    "a tensor of 33 axes": (network("x = image", *["x = stack([x], axis=0)"] * 30), "E0391"),
    "10,000 operators": (network("x = " + "1 + " * 10_000 + "1"), "E0107"),
    "10,000 powers": (network("x = " + "1 ** " * 10_000 + "1"), "E0107"),
    "10,000 minuses": (network("x = " + "-" * 10_000 + "1"), "E0107"),
    "10,000 choices": (network("x = " + "1 if true else " * 10_000 + "1"), "E0107"),
    "10,000 indices": (network("y = [1]", "x = y" + "[0]" * 10_000), "E0107"),
    "10^9 iterations": (
        "@loop(1000000000)\niterative r(carry x):\n    x = relu(x)\n" + NET + "    emit y = r(image)\n",
        "E0408",
    ),
    "a tensor of 10^27 elements": (
        "network net:\n    input x: f32[1000000000, 1000000000, 1000000000]\n    emit y = x\n",
        "E0391",
    ),
    "a parameter of 10^18 elements": (network("x = image |> conv(1000000000, 1) |> conv(1000000000, 1)"), "E0391"),
    "300 carries": (
        "@loop(2)\niterative r(carry xs):\n    xs = [relu(x) for x in xs]\n"
        + NET
        + "    emit y = r([image * k for k in range(300)])[0]\n",
        "E0391",
    ),
    "a table of 10^6 numbers": (
        "@loop(1000000)\niterative r(carry x):\n    x = x * iteration\n" + NET + "    emit y = r(image)\n",
        "E0390",
    ),
    "56 loops inside each other": (
        "".join(f"@loop(1000000)\niterative l{i}(carry x):\n    x = l{i + 1}(x)\n" for i in range(55))
        + "@loop(2)\niterative l55(carry x):\n    x = conv(x, 3)\n"
        + NET
        + "    emit y = l0(image)\n",
        "E0408",
    ),
    "operations of 90,000 tensors": (network("xs = [image] * 90000", *["x = concat(xs)"] * 100), "E0391"),
    "10^6 elements of a series": (
        "@loop(1000000)\niterative r(carry x):\n    x = relu(x)\n    yield x\n" + NET + "    emit y = r(image)[0]\n",
        "E0390",
    ),
    "100,000 exits": (
        "@loop(1000)\niterative r(carry x):\n    x = relu(x)\noutput h(x):\n    return relu(x)\n"
        + NET
        + "    x = r(image)\n"
        + "".join(f"    emit y{i} = h(x) at all\n" for i in range(100)),
        "E0390",
    ),
    "names of 150,000 characters": (
        f"block {'b' * 150_000}(x):\n    return x\n" + NET + f"    emit y = {'b' * 150_000}(image)\n",
        "E0113",
    ),
    "keys of 15,000 characters": (
        f"block {LONG}0(x):\n    for i in range(9000):\n        x = conv(x, 3)\n    return x\n"
        + "".join(f"block {LONG}{n}(x):\n    return {LONG}{n - 1}(x)\n" for n in range(1, 60))
        + NET
        + f"    emit y = {LONG}59(image)\n",
        "E0391",
    ),
    "10,000 arguments that a block has not": (
        f"block b(x, {', '.join(f'p{i}=1' for i in range(10_000))}):\n    return x\n"
        + NET
        + f"    emit y = b(image, {', '.join(f'q{i}=1' for i in range(10_000))})\n",
        "E0208",
    ),
    "2,000 variants of what is not there": (
        f"network n({', '.join(f'param_{i}=1' for i in range(900))}):\n    input image: f32[3, 8, 8]\n{END}"
        + "".join(f"network n{i} = n(parma_{i}=3)\n" for i in range(2000)),
        "E0212",
    ),
    "300,000 lines of mixed indentation": ("network n:\n" + " a\n\ta\n" * 150_000, "E0104"),
    "10^6 changes of a condition": (looping(1_000_000, "if iteration % 2 == 0:", "    x = relu(x)"), "E0391"),
    "conditions that change often": (
        looping(1000, *(f"if iteration % {k + 2} == 0:\n        x = relu(x)" for k in range(1000))),
        "E0391",
    ),
    "ten tables of 100,000 numbers": (
        looping(100_000, *[f"x = x * (1 / (iteration + {k}))" for k in range(10)]),
        "E0391",
    ),
}


def most_memory() -> int:
    """The most bytes that this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize(("text", "code"), HOSTILE.values(), ids=HOSTILE.keys())
def test_a_bound_is_a_diagnostic(text: str, code: str) -> None:
    started, before = time.process_time(), most_memory()
    with pytest.raises(CompileError) as raised:
        load_net(Source("spec.itn", text))
    assert code in [d.code for d in raised.value.diagnostics]
    assert len(str(raised.value)) < 100_000
    assert time.process_time() - started < SECONDS
    assert most_memory() - before < BYTES


def test_the_files_that_a_spec_imports_are_bounded_together(tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / f"f{i}.itn").write_text(f"block b{i}(x):\n    return x\n# " + "a" * 90_000)
    text = "".join(f"from f{i} import b{i}\n" for i in range(10)) + network()
    with pytest.raises(CompileError) as raised:
        load_net(Source("spec.itn", text), search=tmp_path)
    assert raised.value.diagnostics[0].code == "E0108"


def long_spec(lines: int) -> str:
    """Blocks, loops and branches of the usual kinds, with as many lines."""
    blocks = "".join(
        f"block b{i}(x, width=3):\n    y = x |> conv(width, 3) |> batch_norm |> relu\n"
        f"    return y + (x |> conv(width, 1))\n\n"
        for i in range(lines // 10)
    )
    calls = "".join(f"    x = b{i}(x)\n    x = x * 0.5 + [1, 2][{i % 2}]\n" for i in range(lines // 10))
    loop = "@loop(4)\niterative r(carry x):\n" + "    x = x + (x |> conv(3, 1))\n" * (lines * 4 // 10)
    return f"{blocks}{loop}\n{NET}    x = r(image)\n{calls}    emit y = x\n"


def test_a_loop_that_reads_much_and_carries_much_is_analysed_in_time() -> None:
    """Distances from each carry are a matrix; what is read from outside is not in it."""
    body = "    total = xs[0]\n    for v in values:\n"
    body += "        total = total + v\n    xs = [x + total for x in xs]\n"
    text = f"@loop(1000)\niterative r(carry xs, values):\n{body}{NET}    xs = [image * k for k in range(64)]\n"
    text += "    emit y = r(xs, [image + k for k in range(4000)])[0]\n"
    started, before = time.process_time(), most_memory()
    assert cost(load_net(Source("spec.itn", text))).latency == 0
    assert time.process_time() - started < SECONDS
    assert most_memory() - before < BYTES


def test_a_loop_that_carries_much_has_figures_at_many_exits_in_time() -> None:
    """Between exits a loop is a power of one matrix, and all operations of one body run equally often."""
    text = "@loop(1000000)\niterative r(carry xs):\n    xs = [xs[i - 1] + conv(xs[i], 3) for i in range(64)]\n"
    text += f"output h(xs):\n    return xs[0]\n{NET}    x = r([image * k for k in range(64)])\n"
    text += "    emit y = h(x) at [k * 1000 for k in range(1, 1001)]\n"
    started = time.process_time()
    figures = cost(load_net(Source("spec.itn", text))).outputs
    assert [figure.latency for figure in figures] == [k * 1000 for k in range(1, 1001)]
    assert figures[-1].macs == 1000 * figures[0].macs
    assert time.process_time() - started < SECONDS


def memory(text: str) -> int:
    tracemalloc.start()
    load_net(Source("spec.itn", text))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@pytest.mark.long
def test_memory_is_linear_in_the_length_of_a_spec() -> None:
    small, large = memory(long_spec(500)), memory(long_spec(2000))
    assert large < 4.5 * small


#: What a command line is given whole, rendering included; the largest take most of the bound.
WIDE = {
    "190,000 words": network(*["x = [1] + [2] + [3] + [4] + [5] + [6]"] * 7_500),
    "30,000 unknown names": network(*(f"x{i} = unknown{i}" for i in range(30_000))),
    "15,000 unknown names": network(*(f"x{i} = unknown{i}(image)" for i in range(15_000))),
    "15,000 definitions of one name": "block b(x):\n    return x\n" * 15_000 + network(),
    "9,000 networks": "".join(f"network n{i}:\n    input image: f32[3, 8, 8]\n{END}" for i in range(9_000)),
    "3,000 variants": NET.replace("net:", "net(f=1):")
    + END
    + "".join(f"@counted(macs={i})\nnetwork n{i} = net(f={i})\n" for i in range(3_000)),
    "100,000 newlines": NET + "\n" * 100_000 + END,
    "100,000 newlines in brackets": network("x = (" + "\n" * 100_000 + "image bad)"),
    "100,000 indented comments": NET + "    # nothing\n" * 100_000 + "  bad\n" + END,
}
QUICK = ("100,000 newlines", "100,000 newlines in brackets", "100,000 indented comments")
MOST_SHOWN = 100


@pytest.mark.parametrize(
    ("text", "as_json"),
    [
        pytest.param(text, as_json, id=f"{name}{', JSON' * as_json}", marks=[] if name in QUICK else pytest.mark.long)
        for name, text in WIDE.items()
        for as_json in (False, True)
    ],
)
def test_what_is_wide_is_checked_in_time(text: str, as_json: bool, tmp_path: Path) -> None:
    (tmp_path / "spec.itn").write_text(text)
    started = time.process_time()
    result = CliRunner().invoke(app, ["check", str(tmp_path / "spec.itn"), *["--json"] * as_json])
    assert time.process_time() - started < SECONDS
    assert result.exit_code in (0, 1)
    assert not result.exception or isinstance(result.exception, SystemExit)
    assert result.output.count("error[E") <= MOST_SHOWN


@pytest.mark.long
def test_ten_thousand_lines_load_in_ten_seconds() -> None:
    text = long_spec(10_000)
    assert text.count("\n") >= 10_000
    started = time.process_time()
    net = load_net(Source("spec.itn", text))
    assert time.process_time() - started < SECONDS
    assert len(net.params) > 1000
