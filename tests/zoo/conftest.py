"""Small maps on one thread, where a second costs more than it gives; without PyTorch there is nothing to compare."""

from __future__ import annotations

try:
    import torch.fx  # a folder of tests named torch is no PyTorch
except ImportError:
    collect_ignore_glob = ["test_*.py"]
else:
    torch.set_num_threads(1)
