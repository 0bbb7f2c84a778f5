"""`itc new`: a small spec to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from itc.cli import options
from itc.cli.arguments import Argument
from itc.cli.errors import reporting
from itc.cli.printing import hushed, say
from itc.diagnostics import fail
from itc.driver import RESERVED
from itc.files import write_text

NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
TEXT = """\
# {name}: refines its features again and again with one set of weights; a class can be read after any iteration.
@loop(times)
@share(all)
iterative refine(carry x, times):
    x = relu(x + conv(x, channels(x), 3))

output scores(x, classes):
    return global_pool(x) |> linear(classes)

network {name}(f=16, times=4, classes=10):
    input image: f32[3, 32, 32]
    x = conv(image, f, 3, stride=2) |> relu |> refine(times)
    @loss(cross_entropy)
    emit scores(x, classes) at range(1, times + 1)
"""


def new(
    name: Annotated[str, Argument("The name of the network; the file is NAME.itn.", "NAME")],
    quiet: options.Quiet = False,
) -> None:
    """Write a small spec to start from: a loop with shared weights and an output after each iteration."""
    name = name.removesuffix(".itn")
    path, text = Path(f"{name}.itn"), TEXT.format(name=name)
    with reporting(), hushed(quiet):
        if not NAME.fullmatch(name) or name in RESERVED:
            raise typer.BadParameter(
                "the name of a network has letters, digits and `_`, starts with no digit and is not reserved"
            )
        if path.exists() or path.is_symlink():
            raise fail("E0670", f"there is a file {path} already", help="choose another name, or move the file away")
        write_text(path, text)
        say(f"wrote {path}; next: itc check {path}, itc cost {path}, itc run {path} -m edge-16")
