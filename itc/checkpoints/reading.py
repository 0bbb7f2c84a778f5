"""A file in, its tensors by name out: safetensors and .npz; what can run code when it is read is refused.

PyTorch's own files are pickles. Its restricted reader (`weights_only=True`) has had holes of its own (CVE-2025-32434),
and what is read here need not be trusted: so they are refused, with the command that converts one where it is.
"""

from __future__ import annotations

from pathlib import Path

from itc.checkpoints.npz import read_npz
from itc.tensor_files import Tensors, open_tensors, read_safetensors


def read_tensors(path: Path) -> Tensors:
    """Every tensor by its name in the file; the format is told by content. Values are read where they are looked up.

    Raises CompileError: E0604 for a pipe or a device, E0610 for a file that is not there, E0611 for one in no known
    format, E0617 for a header beyond the bounds, E0650 for pickles, E0651 for a broken or too large .npz. Looking up a
    tensor raises E0614 for types that NumPy has not, and E0651 where its values are broken.
    """
    with open_tensors(path) as file:
        zipped = file.read(4) == b"PK\x03\x04"
    return read_npz(path) if zipped else read_safetensors(path)
