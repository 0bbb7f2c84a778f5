"""Helps for what other frameworks write are edits: applied, the spec compiles."""

from __future__ import annotations

import pytest

import itc
from itc.driver import parse_settings

IMAGE = "    input x: f32[3, 8, 8]\n"
SPECS = {
    "batch": "network n:\n    input x: f32[N, 3, 8, 8]\n    emit y = relu(x)\n",
    "import": f"# A comment.\nnetwork n:\n{IMAGE}    emit y = conv_norm_relu(x, 4)\n",
    "another import": (
        f"from std import conv_norm_relu\n\nnetwork n:\n{IMAGE}    emit y = unet_convs(conv_norm_relu(x, 4), 4)\n"
    ),
    "return": f"network n:\n{IMAGE}    return relu(x)\n",
}


@pytest.mark.parametrize("name", SPECS)
def test_the_edit_mends_the_spec(name: str) -> None:
    with pytest.raises(itc.CompileError) as caught:
        itc.loads(SPECS[name])
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.help
    assert diagnostic.edit
    assert itc.loads(diagnostic.edit.apply()).ir.labels


def test_a_list_without_brackets() -> None:
    with pytest.raises(itc.CompileError) as caught:
        parse_settings(["exits=1,2,4"])
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.edit
    assert parse_settings([diagnostic.edit.apply()]) == {"exits": [1, 2, 4]}
