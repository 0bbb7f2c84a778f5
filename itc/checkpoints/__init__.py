"""Import of foreign checkpoints: maps files in safe formats to checkpoints with a net's keys."""

from itc.checkpoints.checking import TOLERANCE, Checked, check
from itc.checkpoints.importing import Imported, import_weights
from itc.checkpoints.reading import read_tensors

__all__ = ["TOLERANCE", "Checked", "Imported", "check", "import_weights", "read_tensors"]
