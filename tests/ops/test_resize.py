"""Resizing by a factor, to a size and with aligned corners: as PyTorch's `interpolate`, from the spec to the tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812  torch's own idiom

from itc.diagnostics import CompileError
from itc.driver import Network
from itc.ir import LAYERS, TensorType, parse_net, print_net
from itc.ir.op import Array
from itc.source import Source
from itc_dsl import load_net
from tests.torch.forms import modules, tensors

FACTORS = (2, 3, 0.5, 1 / 3, 1.5, 0.7, 1.1, 0.25, 2.3)
SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 12, 31)
MODES = ({"mode": "nearest"}, {"mode": "bilinear"}, {"mode": "bilinear", "align_corners": True})


def ramp(rows: int, columns: int) -> Array:
    """A map [1, 1, rows, columns] whose elements are all different."""
    return np.arange(rows * columns, dtype=np.float32).reshape(1, 1, rows, columns)


def resized(x: Array, **arguments: Any) -> Array:
    """By the reference of the operation that the language makes."""
    layer = LAYERS["resize"](TensorType("f32", x.shape[1:]), **arguments)
    (result,) = layer.op.evaluate(x)
    (type,) = layer.op.result_types(TensorType("f32", x.shape[1:]))
    assert result.shape[1:] == type.shape
    return np.asarray(result)


def interpolated(x: Array, **arguments: Any) -> Array:
    options = {"mode": "bilinear", "align_corners": False} | arguments if arguments["mode"] == "bilinear" else arguments
    return np.asarray(F.interpolate(torch.from_numpy(x), **options))


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("factor", FACTORS)
def test_a_factor_is_scale_factor(factor: float, mode: dict[str, Any]) -> None:
    for size in SIZES:
        x = ramp(size, 9)
        if int(size * factor) >= 1:
            found = resized(x, factor=factor, **mode)
            np.testing.assert_allclose(found, interpolated(x, scale_factor=factor, **mode), atol=1e-5 * x.max())


@pytest.mark.parametrize("mode", MODES, ids=str)
def test_a_size_is_that_of_interpolate(mode: dict[str, Any]) -> None:
    for rows in SIZES:
        for target in SIZES:
            x = ramp(rows, 5)
            found = resized(x, size=(target, 3), **mode)
            np.testing.assert_allclose(found, interpolated(x, size=(target, 3), **mode), atol=1e-5 * x.max())


def net_of(call: str, size: int = 7) -> Network:
    text = f"network one:\n    input image: f32[1, {size}, {size}]\n    emit y = {call}\n"
    return Network(load_net(Source("one.itn", text)))


def everywhere(net: Network, x: Array) -> dict[str, Array]:
    """The result of a net in the interpreter, behind all passes, in torch in every form, and on tiles."""
    found = {"interpreter": net.interpret({"image": x}, {})["y"]}
    found["passes"] = net.after("default").interpret({"image": x}, {})["y"]
    found["text"] = Network(parse_net(print_net(net.ir))).interpret({"image": x}, {})["y"]
    for form, module in modules(net.ir, {}).items():
        found[form] = module(*tensors({"image": x}))["y"].numpy()
    found["tile"] = net.compile("edge-16").run({"image": x}, {})["y"]
    return found


@pytest.mark.parametrize("call", [
    "resize(image, 0.5)", "resize(image, 0.5, mode=bilinear)", "resize(image, 1 / 3, mode=bilinear)",
    "resize(image, 1.5)", "resize(image, 1.1, mode=bilinear)", "resize(image, 0.7)",
    "resize(image, 0.7, mode=bilinear, align_corners=true)",
    "resize(image, size=[5, 12], mode=bilinear, align_corners=true)",
])  # fmt: skip
def test_every_backend_has_the_same(call: str) -> None:
    net, x = net_of(call), ramp(7, 7)
    expected = net.interpret({"image": x}, {})["y"]
    for name, found in everywhere(net, x).items():
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=name)


def test_half_of_seven_columns_takes_samples_two_apart() -> None:
    x = np.broadcast_to(np.arange(7, dtype=np.float32), (1, 1, 7, 7)).copy()
    for found in everywhere(net_of("resize(image, 0.5, mode=bilinear)"), x).values():
        np.testing.assert_allclose(found[0, 0], [[0.5, 2.5, 4.5]] * 3, atol=1e-6)


def test_aligned_corners_stay() -> None:
    x = ramp(3, 3)
    for found in everywhere(net_of("resize(image, 2, mode=bilinear, align_corners=true)", 3), x).values():
        np.testing.assert_allclose(found[0, 0, ::5, ::5], [[0, 2], [6, 8]], atol=1e-6)
        np.testing.assert_allclose(found[0, 0, 0], [0, 0.4, 0.8, 1.2, 1.6, 2], atol=1e-6)


def test_a_factor_is_one_at_run_time_too() -> None:
    """A module takes maps of other sizes than the spec's, and scales them by the factor."""
    x = torch.randn(1, 1, 11, 9)
    for module in modules(net_of("resize(image, 0.5, mode=bilinear)").ir, {}).values():
        expected = F.interpolate(x, scale_factor=0.5, mode="bilinear", align_corners=False)
        torch.testing.assert_close(module(x)["y"], expected)


@pytest.mark.parametrize(("call", "message"), [
    ("resize(image, 2, align_corners=true)", "`align_corners` is for bilinear and bicubic resizing"),
    ("resize(image, 0.1)", "0.1 times 7 x 7 is not a valid map size"),
    ("resize(image, -0.5)", "a resize factor of -0.5 is not positive"),
    ("resize(image, 1e300)", "1e+300 times 7 x 7 is not a valid map size"),
])  # fmt: skip
def test_mistakes(call: str, message: str) -> None:
    with pytest.raises(CompileError) as raised:
        net_of(call)
    (diagnostic,) = raised.value.diagnostics
    assert (diagnostic.code, diagnostic.message) == ("E0302", message)
