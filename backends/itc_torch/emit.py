"""From a net to a standalone Python module that a person can read, train and ship without itc."""

from __future__ import annotations

from itc.ir import Net
from itc_torch.identities import without_identities
from itc_torch.lowerings import check_operations
from itc_torch.names import check_keys
from itc_torch.source import module_text


def emit_module(net: Net) -> str:
    """The source of a module with one `nn.Module` class, named after the net, whose loops are loops.

    Its `forward(*inputs)` returns a dict from label to tensor [batch, ...]; its state_dict has the keys and shapes of
    `net.params`. It imports torch alone. Raises CompileError for keys that torch cannot
    have (E0290) and operations without a lowering (E0522).
    """
    check_keys(net)
    check_operations(net)
    return module_text(without_identities(net))
