"""Without PyTorch there is nothing to compare torchvision's networks with."""

from __future__ import annotations

try:
    import torch.fx  # noqa: F401  # a folder of tests named torch is no PyTorch
except ImportError:
    collect_ignore_glob = ["test_torchvision_*.py"]
