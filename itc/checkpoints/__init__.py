"""Weights that others named: files in safe formats in, a checkpoint with a net's own keys out."""

from itc.checkpoints.checking import TOLERANCE, Checked, check
from itc.checkpoints.importing import Imported, import_weights
from itc.checkpoints.reading import read_tensors

__all__ = ["TOLERANCE", "Checked", "Imported", "check", "import_weights", "read_tensors"]
