"""A net as a torch.fx module, rolled or unrolled, as the code of its graphs, and as values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from torch import Tensor, fx

from itc.analysis.workload import check_workload, workload
from itc.arguments import checked
from itc.ir import Net, parse_net, verify
from itc.ir.op import Array
from itc.ir.types import NUMPY_NAMES
from itc_torch.identities import without_identities
from itc_torch.inference import run
from itc_torch.lowerings import check_operations
from itc_torch.names import check_keys
from itc_torch.network import SOURCE, Network
from itc_torch.parameters import Parameters, placeholders, shared, tensors
from itc_torch.rolled import rolled
from itc_torch.unrolled import unrolled

Form = Literal["rolled", "unrolled"]
Halting = Literal["stop", "masked"]


def lower(net: Net, form: Form = "rolled", parameters: Parameters = tensors, halting: Halting = "stop") -> Network:
    """`net` as a torch.fx.GraphModule with the values of `itc.weights.initial`, in training mode.

    `rolled` keeps loops as loops (a body's graph, called once an iteration), `unrolled` is one flat graph; keys and
    shapes of both state_dicts are those of `net.params`. At inference a rolled loop that halts stops with its slowest
    image; `masked` it runs all its iterations, with the same values, and can be exported, traced and compiled whole.
    Raises CompileError for keys that torch cannot have (E0290) and operations without a lowering (E0522), and
    ValueError for another form or way to halt.
    """
    if not isinstance(form, str) or form not in ("rolled", "unrolled"):
        raise ValueError(f"the form is rolled or unrolled, not {form!r:.60}")
    if halting not in ("stop", "masked"):
        raise ValueError(f"`halting` is stop or masked, not {halting!r:.60}")
    check_keys(net)
    check_operations(net)
    lean = without_identities(net)
    module = rolled(lean, parameters, halting == "masked") if form == "rolled" else unrolled(lean, parameters)
    module.meta[SOURCE] = (net, form, halting)
    return module


def restored(
    text: str, form: Form, halting: Halting, state: Mapping[str, Tensor], training: bool, frozen: Sequence[str]
) -> Network:
    """The module that `Network.__reduce__` took apart: its values, its mode, and which parameters are `frozen`."""
    module = lower(verify(parse_net(text)), form, halting=halting)
    module.load_state_dict(dict(state))
    for key in frozen:
        module.get_parameter(key).requires_grad_(False)
    return module.train(training)


def text(net: Net, form: Form = "rolled") -> str:
    """The Python code of each graph of the lowered net, under the path of its module."""
    module = lower(net, form, placeholders)
    graphs = [(name, part) for name, part in module.named_modules() if isinstance(part, fx.GraphModule)]
    return "\n".join(f"# {name or type(module).__name__}\n{_code(part)}\n" for name, part in graphs)


def _code(module: fx.GraphModule) -> str:
    """A graph's code without the deletions that fx writes behind each line, and with slices as Python writes them."""
    code = re.sub(r";  [\w\s=]+ = None$", "", module.code.strip(), flags=re.MULTILINE)
    return re.sub(r"\[slice\((-?\d+), None, None\)\]", r"[\1:]", code)


def forward(net: Net, inputs: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs by label for arrays [batch, ...], at inference."""
    values, params = checked(net, inputs, weights)
    check_workload(workload(net, len(next(iter(values.values()), ()))), f"computing {net.name}", net.span)
    module = lower(net, parameters=shared(params))
    typed = {v.name: values[v.name].astype(NUMPY_NAMES[v.tensor.dtype], copy=False) for v in net.inputs}
    return run(module, typed)
