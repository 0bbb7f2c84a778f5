"""Every operation has a lowering; examples written out give in every form what the interpreter gives.

Examples of all operations, with drawn attributes, are in `tests/ops`.
"""

from __future__ import annotations

import pytest
import torch

from itc.interpreter import interpret
from itc.ir import OPS, parse_net, verify
from itc_torch import LOWERINGS
from tests.random_nets import difference, random_inputs, random_weights
from tests.torch.forms import modules, tensors

MAP = "f32[4, 7, 9]"

# For each operation: its call on %x (and %y, of the same type), the type of %x, and the type of the result.
EXAMPLES = {
    "add": [("add(%x, %y)", MAP, MAP)],
    "affine": [
        ("affine(%x) {factor = 0.5, offset = -2.0}", MAP, MAP),
        ("affine(%x) {offset = 3.0}", "f32[5]", "f32[5]"),
        ("affine(%x)", "f32[5]", "f32[5]"),
    ],
    "avg_pool": [
        ("avg_pool(%x)", MAP, "f32[4, 3, 4]"),
        ("avg_pool(%x) {kernel = [3, 2], stride = [2, 3], pad = [1, 1], ceil = true}", MAP, "f32[4, 4, 4]"),
        ("avg_pool(%x) {kernel = [3, 3], stride = [1, 1], pad = [1, 1]}", MAP, MAP),
    ],
    "batch_norm": [
        ("batch_norm(%x, @c4, @d4, @e4, @v4)", MAP, MAP),
        ("batch_norm(%x, @c4, @d4, @e4, @v4) {eps = 0.1, momentum = 0.5}", "f32[4]", "f32[4]"),
        ("batch_norm(%x, @c4, @d4, @e4, @v4)", "f32[6, 4]", "f32[6, 4]"),
    ],
    "concat": [
        ("concat(%x, %y, %x)", MAP, "f32[12, 7, 9]"),
        ("concat(%x, %y)", "f32[3]", "f32[6]"),
        ("concat(%x, %y)", "f32[5, 3]", "f32[5, 6]"),
        ("concat(%x)", MAP, MAP),
    ],
    "conv": [
        ("conv(%x, @w)", MAP, "f32[6, 5, 7]"),
        ("conv(%x, @w, @b) {stride = [2, 1], pad = [1, 0], dilation = [1, 2]}", MAP, "f32[6, 4, 5]"),
        ("conv(%x, @g) {pad = [1, 1], groups = 2}", MAP, "f32[6, 7, 9]"),
        ("conv(%x, @k) {pad = [1, 1], groups = 4}", MAP, MAP),
    ],
    "dropout": [("dropout(%x) {rate = 0.25}", MAP, MAP), ("dropout(%x) {rate = 0.25, channels = true}", MAP, MAP)],
    "fill": [
        ("concat(%x, %0)", MAP, "f32[7, 7, 9]", "%0 = fill(%x) {channels = 3, value = 0.5}: f32[3, 7, 9]"),
        ("concat(%x, %0)", MAP, "f32[8, 7, 9]", "%0 = fill(%x) {channels = 4}: f32[4, 7, 9]"),
        ("concat(%x, %0)", "f32[5]", "f32[7]", "%0 = fill(%x) {channels = 2, value = 1.0}: f32[2]"),
        ("concat(%x, %0)", "f32[6, 5]", "f32[6, 7]", "%0 = fill(%x) {channels = 2, value = 1.0}: f32[6, 2]"),
    ],
    "global_pool": [("global_pool(%x)", MAP, "f32[4]")],
    "linear": [
        ("linear(%x, @l, @b)", "f32[4]", "f32[6]"),
        ("linear(%x, @l)", "f32[3, 4]", "f32[3, 6]"),
        ("linear(%x, @l)", "f32[2, 3, 4]", "f32[2, 3, 6]"),
    ],
    "max_pool": [
        ("max_pool(%x)", MAP, "f32[4, 3, 4]"),
        ("max_pool(%x) {kernel = [3, 3], stride = [2, 2], pad = [1, 1], ceil = true}", MAP, "f32[4, 4, 5]"),
        ("max_pool(%x) {kernel = [1, 1], stride = [4, 4], ceil = true}", MAP, "f32[4, 2, 3]"),
    ],
    "mul": [("mul(%x, %y)", MAP, MAP)],
    "relu": [("relu(%x)", MAP, MAP)],
    "relu6": [("relu6(%x)", MAP, MAP)],
    "resize": [
        ("resize(%x) {factor = 3}", MAP, "f32[4, 21, 27]"),
        ("resize(%x) {factor = 2, mode = bilinear}", MAP, "f32[4, 14, 18]"),
        ("resize(%x) {factor = 0.5}", MAP, "f32[4, 3, 4]"),
        ("resize(%x) {mode = bilinear, factor = 0.7, align_corners = true}", MAP, "f32[4, 4, 6]"),
        ("resize(%x, %0)", MAP, "f32[4, 3, 4]", "%0 = max_pool(%y): f32[4, 3, 4]"),
        ("resize(%x, %0) {mode = bilinear}", MAP, "f32[4, 4, 5]", "%0 = max_pool(%y) {ceil = true}: f32[4, 4, 5]"),
    ],
    "sigmoid": [("sigmoid(%x)", MAP, MAP)],
    "softmax": [
        ("softmax(%x)", MAP, MAP),
        ("softmax(%x)", "f32[5]", "f32[5]"),
        ("softmax(%x)", "f32[3, 5]", "f32[3, 5]"),
    ],
    "sub": [("sub(%x, %y)", MAP, MAP)],
    "tanh": [("tanh(%x)", MAP, MAP)],
}

PARAMS = {
    "w": ("f32[6, 4, 3, 3]", "weight"),
    "g": ("f32[6, 2, 3, 3]", "weight"),
    "k": ("f32[4, 1, 3, 3]", "weight"),
    "l": ("f32[6, 4]", "weight"),
    "b": ("f32[6]", "bias"),
    "c4": ("f32[4]", "scale"),
    "d4": ("f32[4]", "shift"),
    "e4": ("f32[4]", "mean"),
    "v4": ("f32[4]", "var"),
}


def text(call: str, operand: str, result: str, before: str = "") -> str:
    params = "".join(
        f"param @{key}: {type} {{role = {role}, init = ones}}\n"
        for key, (type, role) in PARAMS.items()
        if f"@{key}," in call or f"@{key})" in call
    )
    body = f"{params}{before}\n%r = {call}: {result}\nreturn %r {{name = r}}"
    return f"net @one(%x: {operand}, %y: {operand}) {{\n{body}\n}}"


def test_every_operation_has_a_lowering() -> None:
    assert set(LOWERINGS) == set(OPS.values())


@pytest.mark.parametrize("example", [e for name in EXAMPLES for e in EXAMPLES[name]], ids=" -> ".join)
def test_an_operation_alone(example: tuple[str, ...]) -> None:
    net = verify(parse_net(text(*example)))
    weights, inputs = random_weights(net), random_inputs(net, batch=3)
    expected = interpret(net, inputs, weights)["r"]
    assert expected.shape[1:] == net.outputs[0].value.tensor.shape
    for name, module in modules(net, weights).items():
        with torch.no_grad():
            assert difference(module(*tensors(inputs))["r"].numpy(), expected) <= 1e-5, name
