# SPDX-License-Identifier: Apache-2.0
"""Measurements of every figure the project claims, as ratios taken in one run. `python -m bench` runs all."""

import os
from pathlib import Path


def data_folder() -> Path:
    """Where reference data lies: SYSMT_DATA, else the folder `shared` beside the checkout. It need not exist."""
    return Path(os.environ.get("SYSMT_DATA", Path(__file__).resolve().parents[2] / "shared"))
