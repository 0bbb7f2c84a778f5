"""The lists in the reference are those of the declarations: operations, blocks of `std`, functions, bounds.

They stand between marks such as `<!-- operations -->`; `pytest --update-golden` writes them anew.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from itc.ir import Apply
from itc.ir.op import LAYERS, MANY
from itc.source import Source
from itc_dsl import documentation, layout, load_net, parse, parser
from itc_dsl.ast import Block
from itc_dsl.lowering import branches, calls, exits, loops, scope, tables, values
from itc_dsl.program import MAX_FILES, MAX_IMPORTED, STD
from itc_dsl.signature import BUILTINS

PAGE = Path(__file__).parents[2] / "docs" / "language.md"

#: For each operation a call, of the inputs below.
CALLS = {
    "conv": "conv(x, 8, stride=2)",
    "depthwise": "depthwise(x, 5)",
    "convolve": "convolve(x, param([8, 3, 3, 3]))",
    "conv1d": "conv1d(tokens, 8)",
    "conv3d": "conv3d(video, 8)",
    "max_pool1d": "max_pool1d(tokens)",
    "avg_pool1d": "avg_pool1d(tokens, 3, stride=1, pad=1)",
    "max_pool3d": "max_pool3d(video, [1, 2, 2])",
    "avg_pool3d": "avg_pool3d(video)",
    "pixel_shuffle": "pixel_shuffle(concat(x, x, x, x), 2)",
    "gather": "gather(tokens, broadcast(reshape(ids, [7, 1]), like=tokens))",
    "take": "take(tokens, ids)",
    "one_hot": "one_hot(ids, 5)",
    "grid_sample": "grid_sample(x, grid)",
    "conv_transpose": "conv_transpose(x, 4)",
    "linear": "linear(tokens, 10)",
    "matmul": "matmul(tokens, tokens, transpose_b=true)",
    "attend": "attend(tokens, tokens, tokens, 2)",
    "batch_norm": "batch_norm(x)",
    "group_norm": "group_norm(x, 3)",
    "layer_norm": "layer_norm(tokens)",
    "rms_norm": "rms_norm(tokens)",
    "dropout": "dropout(x, 0.1)",
    "div": "div(x, x)",
    "minimum": "minimum(x, 1)",
    "maximum": "maximum(x, x)",
    "where": "where(x > 0, x, 0)",
    "clamp": "clamp(x, 0, 1)",
    "prelu": "prelu(x, channels=true)",
    "cast": "cast(ids, f32)",
    "softmax": "softmax(tokens)",
    "reduce_mean": "reduce_mean(x, [1, 2])",
    "reduce_max": "reduce_max(x, 0, keep=true)",
    "reduce_sum": "reduce_sum(x)",
    "argmax": "argmax(x)",
    "change": "change(x, x)",
    "slice": "slice(x, 1)",
    "index": "index(x, 0)",
    "pad": "pad(x, 1, 2)",
    "max_pool": "max_pool(x, 3, stride=2, pad=1)",
    "avg_pool": "avg_pool(x)",
    "adaptive_pool": "adaptive_pool(x, [1, 6])",
    "pool_indices": "pool_indices(x)",
    "max_unpool": "max_unpool(max_pool(x), pool_indices(x), like=x)",
    "rope": "rope(tokens, 2)",
    "reshape": "reshape(x, [3, -1])",
    "transpose": "transpose(tokens)",
    "broadcast": "broadcast(global_pool(x), like=x)",
    "channel_shuffle": "channel_shuffle(x, 3)",
    "roi_align": "roi_align(x, boxes)",
    "proposals": "proposals(scores, deltas, like=x, count=50)",
    "resize": "resize(x, size=[10, 20], mode=bilinear)",
    "concat": "concat(x, x)",
    "stack": "stack(x, x)",
    "zeros": "zeros(5, like=x)",
    "ones": "ones(5, like=x)",
    "embed": "embed(ids, 100, 16)",
    "param": "param([7, 12], init=normal, std=0.02)",
    "sinusoid": "sinusoid(tokens)",
}
INPUTS = {
    "x": "f32[3, 32, 48]",
    "tokens": "f32[7, 12]",
    "ids": "i64[7]",
    "boxes": "f32[50, 4]",
    "scores": "f32[9, 2, 3]",
    "deltas": "f32[36, 2, 3]",
    "grid": "f32[20, 30, 2]",
    "video": "f32[16, 3, 32, 48]",
}
BOUNDS = [
    (parser.MAX_CHARACTERS, "characters in a file", "E0108"),
    (layout.MAX_TOKENS, "tokens in a file", "E0108"),
    (layout.MAX_NESTING, "nested brackets, or nested bodies", "E0107"),
    (parser.MAX_DEPTH, "nested expressions and statements", "E0107"),
    (MAX_FILES, "files that a spec imports", "E0204"),
    (MAX_IMPORTED, "characters in all files that a spec imports", "E0108"),
    (values.MAX_ELEMENTS, "elements in a list, including nested lists", "E0390"),
    (values.MAX_INTEGER, "the largest number", "E0307"),
    (values.MAX_TEXT, "characters in a computed string", "E0307"),
    (scope.MAX_STEPS, "steps of elaboration", "E0391"),
    (scope.MAX_STEPS_TOGETHER, "steps of elaboration of all networks in one `itc check`", "E0391"),
    (scope.MAX_STATEMENTS, "operations in a network", "E0391"),
    (scope.MAX_TENSOR, "elements of a tensor, or of all sets of a parameter", "E0391"),
    (scope.MAX_AXES, "axes of a tensor", "E0391"),
    (MANY, "operands of `concat` and `stack`", "E0302"),
    (calls.MAX_CALLS, "nested calls of blocks", "E0392"),
    (loops.MAX_ITERATIONS, "iterations of a loop", "E0408"),
    (loops.MAX_NESTED, "iterations of nested loops in total", "E0408"),
    (loops.MAX_SERIES, "elements of all series that loops yield", "E0390"),
    (branches.MAX_CHANGES, "changes of a condition on `iteration` in a loop", "E0391"),
    (loops.MAX_CHANGES, "changes of the conditions on `iteration` in a loop, times the values of its body", "E0391"),
    (loops.MAX_CARRIED, "tensors carried by nested loops", "E0391"),
    (exits.MAX_EXITS, "exits of an output", "E0390"),
    (scope.MAX_OUTPUTS, "outputs of a network, each exit counted", "E0390"),
    (tables.MAX_TABLE, "iterations of a loop whose `iteration` is used in tensor arithmetic", "E0390"),
    (tables.MAX_VALUES, "distinct values of an argument over the iterations of a loop", "E0412"),
]


def text_of(value: Any) -> str:
    """A default in the words of the language."""
    match value:
        case None | bool():
            return str(value).lower()
        case float():
            return re.sub(r"e-0(\d)", r"e-\1", repr(value)).removesuffix(".0")
        case (left, right) if left == right:
            return str(left)
        case tuple():
            return f"[{', '.join(map(text_of, value))}]"
    return str(value)


def signature(name: str, function: Callable[..., Any]) -> str:
    """As a reader of specs sees it: what stands behind `*` is given by name."""
    parts, star = [], False
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            star = True
            parts.append("*")
        dots = "..." if parameter.kind is parameter.VAR_POSITIONAL else ""
        default = "" if parameter.default is parameter.empty else f"={text_of(parameter.default)}"
        parts.append(f"{parameter.name}{dots}{default}")
    return f"{name}({', '.join(parts)})"


def example(name: str) -> str:
    """A call with the type of its result and the shapes of its parameters, by compiling it."""
    call = CALLS.get(name, f"{name}(x)")
    inputs = [f"    input {value}: {type}" for value, type in INPUTS.items()]
    others = [f"    emit seen_{value} = {value}" for value in INPUTS]
    net = load_net(Source("spec.itn", "\n".join(["network net:", *inputs, f"    emit y = {call}", *others]) + "\n"))
    last = net.body[-1]
    assert isinstance(last, Apply)
    assert name in call
    parameters = [f"{ref.key.rpartition('.')[2]} {list(net.ref_type(ref).shape)}" for ref in last.refs]
    return f"`{call}` is {net.outputs[0].value.type}" + (f", with {', '.join(parameters)}" if parameters else "")


def operations() -> Iterator[str]:
    """The operations by family, the file that declares them, in its order."""
    families: dict[str, list[str]] = {}
    for name, function in LAYERS.items():
        families.setdefault(function.__module__, []).append(name)
    for module, names in families.items():
        yield from (f"\n**{sys.modules[module].__doc__.splitlines()[0].rstrip('.')}**\n",)  # type: ignore[union-attr]
        for name in names:
            meaning = re.sub(r"\n(?=.)", "\n  ", inspect.cleandoc(LAYERS[name].__doc__ or ""))
            assert meaning, name
            yield f"- `{signature(name, LAYERS[name])}`\n  {meaning} {example(name)}."


def std_blocks() -> Iterator[str]:
    for path in sorted(STD.glob("*.itn")):
        module = parse(Source(path.name, path.read_text()))
        (block,) = (d for d in module.definitions if isinstance(d, Block) and d.name.text == path.stem)
        params = [f"{p.name.text}={p.default.span.text}" if p.default else p.name.text for p in block.params]
        (first, *_) = re.split(r"(?<!et al)\.(?:\s|$)", documentation(block).replace("\n", " "))
        assert first, f"{path.name} has no documentation"
        yield f"- `{path.stem}({', '.join(params)})`\n  {first}."


def bounds() -> Iterator[str]:
    yield from ("| at most | of | code |", "|---:|---|---|")
    for number, what, code in BOUNDS:
        yield f"| {number:,} | {what} | {code} |"


LISTS = {"operations": operations, "std": std_blocks, "bounds": bounds}


@pytest.mark.parametrize("name", LISTS)
def test_list(name: str, request: pytest.FixtureRequest) -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, opening, rest = page.partition(f"<!-- {name} -->\n")
    found, closing, after = rest.partition(f"<!-- end of {name} -->")
    assert opening and closing, f"the reference has no list of {name}"
    wanted = "\n".join(LISTS[name]()).strip("\n") + "\n"
    if request.config.getoption("--update-golden"):
        PAGE.write_text(before + opening + wanted + closing + after, encoding="utf-8")
    else:
        assert found == wanted


def test_every_function_of_compile_time_values_is_there() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in BUILTINS:
        assert re.search(rf"`{name}[(`]", page), name


def test_every_annotation_is_there() -> None:
    from itc_dsl.checker.looping import PLACES

    page = PAGE.read_text(encoding="utf-8")
    for name in PLACES:
        assert f"`@{name}" in page, name
