"""Reads the tensors of a safetensors or .npz file by name; formats that can run code are refused.

PyTorch's own files are pickles. Its restricted reader (`weights_only=True`) has had vulnerabilities (CVE-2025-32434),
and files read here need not be trusted: so pickles are refused, with a command that converts one.
"""

from __future__ import annotations

from pathlib import Path

from itc.checkpoints.npz import read_npz
from itc.tensor_files import Tensors, open_tensors, read_safetensors


def read_tensors(path: Path) -> Tensors:
    """All tensors by their names in the file; the format is detected by content. Values are read on access.

    Raises CompileError: E0604 for a pipe or a device, E0610 for a missing file, E0611 for an unknown format, E0617 for
    a header above the limits, E0650 for pickles, E0651 for a corrupt or too large .npz. Access to a tensor raises E0614
    for types not supported by NumPy, and E0651 for corrupt values.
    """
    with open_tensors(path) as file:
        zipped = file.read(4) == b"PK\x03\x04"
    return read_npz(path) if zipped else read_safetensors(path)
