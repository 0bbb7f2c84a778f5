"""Arrays from a caller that do not fit are refused by every backend alike, also under `python -O`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import itc
from itc.diagnostics import CompileError
from itc.driver import Compiled, training_backend

SPEC = """
@loop(times)
@share(none)
iterative refine(carry x, times):
    x = x + conv(x, channels(x), 3)

network net(times=4):
    input image: f32[3, 8, 8]
    input words: i64[5]
    input marks: i8[2]
    input mask: bool[2]
    input hint: f32[3, 8, 8] = zeros
    emit y = (image + hint) |> conv(4, 3, bias=true) |> refine(times)
    emit e = embed(words, 10, 3)
    emit c = cast(marks, f32)
    emit b = cast(mask, f32)
"""
IMAGE = np.zeros((1, 3, 8, 8), np.float32)
INPUTS = {
    "image": IMAGE,
    "words": np.arange(5)[None],
    "marks": np.array([[1, -2]], np.int8),
    "mask": np.array([[True, False]]),
}
ENTRIES = ("interpreter", "tiles", "torch")
Entry = Callable[[Any, Any], dict[str, Any]]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    path = tmp_path_factory.mktemp("spec") / "spec.itn"
    path.write_text(SPEC)
    return itc.load(path).compile("gc200")


@pytest.fixture(params=ENTRIES)
def entry(request: pytest.FixtureRequest, compiled: Compiled) -> Entry:
    """One of the three ways to compute the outputs of the network."""
    if request.param == "torch":
        pytest.importorskip("torch")
        lowered = training_backend()
        return lambda inputs, weights: lowered.forward(compiled.network.ir, inputs, weights)
    return compiled.network.interpret if request.param == "interpreter" else compiled.run


@pytest.fixture(scope="module")
def weights(compiled: Compiled) -> dict[str, Any]:
    return compiled.network.weights()


def refused(run: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(CompileError) as raised:
        run()
    return [(diagnostic.code, f"{diagnostic.message}\n{diagnostic.help}") for diagnostic in raised.value.diagnostics]


class Tensor:
    """What has a method `numpy`, as PyTorch's tensors do."""

    def numpy(self) -> None:
        raise AssertionError("nothing is converted unasked")


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"image": np.zeros((1, 8, 8, 8), np.float32)}, "E0661", "must be [batch, 3, 8, 8], not [1, 8, 8, 8]"),
        ({"image": np.zeros((1, 3, 9, 9), np.float32)}, "E0661", "not [1, 3, 9, 9]"),
        ({"image": np.zeros((1, 3, 8, 5), np.float32)}, "E0661", "not [1, 3, 8, 5]"),
        ({"image": IMAGE[0]}, "E0661", "`image[None]`"),
        ({"image": IMAGE[None]}, "E0661", "not [1, 1, 3, 8, 8]"),
        ({"image": np.zeros((), np.float32)}, "E0661", "not []"),
        ({"image": np.zeros((2, 3, 8, 8), np.float32)}, "E0661", "`image` has 2, `words` has 1"),
        ({name: array[:0] for name, array in INPUTS.items()}, "E0661", "at least one sample"),
        ({"hint": IMAGE[:, :2]}, "E0661", "the input `hint`"),
        ({"image": IMAGE.astype(complex)}, "E0662", "must be f32[3, 8, 8], not complex128"),
        ({"image": IMAGE.astype(object)}, "E0662", "not object"),
        ({"image": IMAGE.astype(np.uint8)}, "E0662", "`image.astype(np.float32)`"),
        ({"image": np.ma.zeros((1, 3, 8, 8), np.float32)}, "E0662", "a MaskedArray"),
        ({"image": IMAGE.tolist()}, "E0662", "a list"),
        ({"image": None}, "E0662", "a NoneType"),
        ({"image": Tensor()}, "E0662", "`image.numpy(force=True)`"),
        ({"marks": np.array([[0.5, 0.25]], np.float32)}, "E0662", "must be i8[2], not float32"),
        ({"marks": np.array([[0, 200]])}, "E0662", "numbers from 0 to 200"),
        ({"mask": np.array([[0.5, 0.0]], np.float32)}, "E0662", "must be bool[2], not float32"),
        ({"mask": np.array([[1, 0]])}, "E0662", "must be bool[2], not int64"),
        ({"words": np.full((1, 5), 10)}, "E0663", "ids from 10 to 10"),
        ({"words": np.full((1, 5), -1)}, "E0663", "from 0 to 9"),
        ({"picture": IMAGE}, "E0660", "`picture`"),
        ({3: IMAGE}, "E0660", "`3`"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_inputs_that_do_not_fit(
    entry: Entry, weights: dict[str, Any], changed: dict[Any, Any], code: str, words: str
) -> None:
    faults = refused(lambda: entry({**INPUTS, **changed}, weights))
    assert {found for found, _ in faults} == {code}
    assert words in "\n".join(text for _, text in faults)


def test_inputs_that_are_missing_or_misspelt(entry: Entry, weights: dict[str, Any]) -> None:
    inputs = {("imgae" if name == "image" else name): array for name, array in INPUTS.items()}
    (_, missing), (_, foreign) = refused(lambda: entry(inputs, weights))
    assert missing.startswith("`inputs` lacks `image`")
    assert "did you mean `image`?" in foreign


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (
            lambda w: {**w, "refine.conv.weight": np.concatenate([w["refine.conv.weight"]] * 2)},
            "E0613",
            "[8, 4, 4, 3, 3]",
        ),
        (lambda w: {**w, "conv.bias": np.zeros((8, 4), np.float32)}, "E0613", "conv.bias as [8, 4] and not [4]"),
        (lambda w: {**w, "conv.bias": np.zeros((4, 4), np.float32)}, "E0613", "conv.bias as [4, 4] and not [4]"),
        (lambda w: {**w, "other": w["conv.bias"]}, "E0612", "other"),
        (lambda w: {key: value for key, value in w.items() if key != "conv.bias"}, "E0612", "lacks conv.bias [4]"),
        (lambda w: {**w, "conv.bias": w["conv.bias"].astype(complex)}, "E0614", "conv.bias as complex128"),
        (lambda w: {**w, "conv.bias": w["conv.bias"].astype(object)}, "E0614", "conv.bias as object"),
        (lambda w: {**w, "conv.bias": np.zeros(4, int)}, "E0614", "conv.bias as int64"),
        (lambda w: {**w, "conv.bias": [0.0] * 4}, "E0614", "conv.bias as list"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_weights_that_do_not_fit(
    entry: Entry, weights: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]], code: str, words: str
) -> None:
    ((found, text),) = refused(lambda: entry(INPUTS, change(weights)))
    assert found == code
    assert words in text


def test_everything_that_is_wrong_is_said_at_once(entry: Entry, weights: dict[str, Any]) -> None:
    inputs = {"image": IMAGE[0], "words": np.zeros((1, 5)), "marks": INPUTS["marks"], "more": IMAGE}
    faults = refused(lambda: entry(inputs, {"conv.bias": weights["conv.bias"]}))
    assert [code for code, _ in faults] == ["E0660", "E0660", "E0661", "E0662", "E0612"]


def test_what_is_no_mapping(entry: Entry, weights: dict[str, Any]) -> None:
    for arguments, name in [((IMAGE, weights), "inputs"), ((None, weights), "inputs"), ((INPUTS, None), "weights")]:
        with pytest.raises(TypeError, match=f"`{name}` must be a mapping from names to arrays"):
            entry(*arguments)


@pytest.mark.parametrize("dtype", ["float16", "float64", ">f4"])
def test_other_floats_and_integers_in_range_fit(entry: Entry, weights: dict[str, Any], dtype: str) -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, IMAGE.shape) / 256
    inputs = {**INPUTS, "image": image.astype(dtype)[..., ::-1], "words": INPUTS["words"].astype(np.uint8)}
    inputs["marks"] = INPUTS["marks"].astype(np.int64)
    expected = entry({**INPUTS, "image": image.astype(np.float32)[..., ::-1]}, weights)
    for label, found in entry(inputs, weights).items():
        np.testing.assert_allclose(found, expected[label], rtol=1e-4, atol=1e-4)


API = """
import sys
import numpy as np
import itc
assert False, "under -O this does not run"
net = itc.load(sys.argv[1])
inputs = {"image": np.zeros((1, 3, 8, 8), np.float32)}
recursive = []
recursive.append(recursive)
wrong = {
    "shape": lambda: net.interpret({"image": np.zeros((3, 8, 8), np.float32)}, net.weights()),
    "name": lambda: net.interpret({}, net.weights()),
    "type": lambda: net.interpret({"image": [[1]]}, net.weights()),
    "weights": lambda: net.interpret(inputs, {}),
    "seed": lambda: net.weights(seed=-1),
    "path": lambda: net.weights(3),
    "empty path": lambda: net.weights(""),
    "emit": lambda: net.emit("tile"),
    "emit list": lambda: net.emit([]),
    "pass": lambda: net.after(3),
    "other": lambda: net.difference(3),
    "machine": lambda: net.compile(3),
    "objective": lambda: net.compile("gc200", "neither"),
    "spec": lambda: itc.load(3),
    "network": lambda: itc.load(sys.argv[1], []),
    "recursive": lambda: itc.load(sys.argv[1], f=recursive),
    "long": lambda: itc.load(sys.argv[1], f=range(10**12)),
    "bomb": lambda: itc.load(sys.argv[1], f=[[0] * 10**4] * 10**4),
    "digits": lambda: itc.load(sys.argv[1], f=10**5000),
    "nan": lambda: itc.load(sys.argv[1], f=float("nan")),
    "quotes": lambda: itc.load(sys.argv[1], f='"' + "'"),
    "comment": lambda: itc.load(sys.argv[1], **{"f=3 #": 1}),
    "sweep": lambda: itc.sweep(sys.argv[1], ["f"]),
    "goal": lambda: itc.sweep(sys.argv[1], {"f": 3}, maximize=[]),
    "where": lambda: itc.sweep(sys.argv[1], {"f": 3}, where=3),
    "torch": lambda: net.torch(form="flat"),
    "torch form": lambda: net.torch(form=[]),
}
for name, call in wrong.items():
    try:
        call()
    except (itc.CompileError, TypeError, ValueError) as error:
        print(name, "|", type(error).__name__, "|", str(error).splitlines()[0])
    else:
        print(name, "| nothing |")
"""
EXPECTED = {
    "shape": "`image`", "name": "`inputs` lacks `image`", "type": "`image`", "weights": "`weights` lacks conv.weight",
    "seed": "`seed`", "path": "not int", "empty path": "folder", "emit": "target `tile`", "emit list": "`to`",
    "pass": "a pass is", "other": "`other`", "machine": "a machine is", "objective": "the objective is",
    "spec": "not int", "network": "`network`", "recursive": "`f`", "long": "`f`", "bomb": "`f`", "digits": "`f`",
    "nan": "`f` cannot be nan", "quotes": "`f`", "comment": "'f=3 #'", "sweep": "`settings`", "goal": "`maximize`",
    "where": "`where`", "torch": "the form is", "torch form": "the form is",
}  # fmt: skip


def test_wrong_arguments_are_named_without_assertions(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "spec.itn").write_text("network n(f=4):\n    input image: f32[3, 8, 8]\n    emit y = conv(image, f)\n")
    command = [sys.executable, "-O", "-c", API, "spec.itn"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    found = dict(line.split(" | ", 1) for line in done.stdout.splitlines())
    assert found.keys() == EXPECTED.keys()
    assert {name: text for name, text in found.items() if EXPECTED[name] not in text} == {}
