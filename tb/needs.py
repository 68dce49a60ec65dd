# SPDX-License-Identifier: Apache-2.0
"""Packages that a whole file of tests needs, looked for without an import."""

from importlib.util import find_spec

import pytest


def pyosys() -> None:
    """Skip the file where pyosys is absent.

    It is not imported: matplotlib fails in a process that has loaded pyosys (both bring their own pybind11). The
    project itself runs it in processes of its own.
    """
    if find_spec("pyosys") is None:
        pytest.skip("pyosys is not installed: pip install 'sysmt[silicon]'", allow_module_level=True)
