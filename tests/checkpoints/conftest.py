"""One thread is enough; without PyTorch there is nothing to compare torchvision's networks with."""

from __future__ import annotations

try:
    import torch.fx  # a folder of tests named torch is no PyTorch
except ImportError:
    collect_ignore_glob = ["test_torchvision_*.py", "test_torch_layouts.py"]
else:
    torch.set_num_threads(1)
