"""A spec whose loops halt is refused on a machine, at the call that makes the loops, and not run in some other way."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from itc.diagnostics import CompileError
from itc.source import Source
from itc_dsl import load_net, read_source
from itc_tile.kernels.fusion import fuse

IAMNN = Path(__file__).parents[2] / "examples" / "iamnn.itn"


def test_iamnn_is_refused_at_the_call_of_its_loop() -> None:
    net = load_net(read_source(IAMNN), network="iamnn_cifar10")
    with pytest.raises(CompileError) as raised:
        fuse(net)
    (fault,) = raised.value.diagnostics
    assert fault.code == "E0514"
    assert "`@loop(n)` for `@loop(max=n)`" in fault.help
    assert fault.primary and fault.primary.span.text.startswith("stage(zeros(")


def test_the_help_is_an_edit_that_works() -> None:
    text = IAMNN.read_text().replace("@loop(max=depth)", "@loop(depth)")
    text = re.sub(r"^@halt.*\n|^    halt .*\n(?:     .*\n)*", "", text, flags=re.MULTILINE)
    assert "halt" not in text
    fuse(load_net(Source("iamnn.itn", text), network="iamnn_cifar10"))
