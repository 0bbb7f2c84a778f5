"""Files of expected cycles of vendors, beside the folder of data; tests that need them are skipped without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("ITC_DATA", "")).parent / "validation"
CONVOLUTIONS = FOLDER / "ipu_model_conv_training_step.csv"
PRODUCTS = FOLDER / "ipu_model_gemm_forward.csv"
VERTICES = FOLDER / "amp_1x1_vectors.csv"
needs_expected = pytest.mark.skipif(not CONVOLUTIONS.is_file(), reason="no files of expected cycles")
