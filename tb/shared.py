# SPDX-License-Identifier: Apache-2.0
"""Finds reference data that is not part of the project; tests that need it are skipped where it is absent."""

from pathlib import Path

import pytest

from sysmt.base.files import data_folder


def shared(*parts: str) -> Path:
    """A file or folder below the data folder of `sysmt.base.files`; skips when absent."""
    path = data_folder().joinpath(*parts)
    if not path.exists():
        pytest.skip(f"reference data {'/'.join(parts)} is not here; set SYSMT_DATA to the folder that holds it")
    return path
