"""Small nets on one thread; without PyTorch there is nothing to test here."""

from __future__ import annotations

try:
    import torch.fx  # a folder of tests named torch is no PyTorch
except ImportError:
    collect_ignore_glob = ["test_torch_*.py"]
else:
    torch.set_num_threads(1)  # on maps of a few pixels a second thread costs more than it gives
