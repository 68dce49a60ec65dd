# SPDX-License-Identifier: Apache-2.0
"""Finds reference data that is not part of the project; tests that need it are skipped where it is absent."""

import os
from pathlib import Path

import pytest


def shared(*parts: str) -> Path:
    """A file or folder below SYSMT_DATA (by default the folder `shared` beside the checkout); skips when absent."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    path = Path(os.environ.get("SYSMT_DATA", beside)).joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference data {'/'.join(parts)} is not here; set SYSMT_DATA to the folder that holds it")
    return path
