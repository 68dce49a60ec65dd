# SPDX-License-Identifier: Apache-2.0
"""Packages that tests need, looked for without an import."""

from importlib.util import find_spec

import pytest


def pyosys() -> None:
    """Skip the file where pyosys is absent.

    It is not imported: matplotlib fails in a process that has loaded pyosys (both bring their own pybind11). The
    project itself runs it in processes of its own.
    """
    if find_spec("pyosys") is None:
        pytest.skip("pyosys is not installed: pip install 'sysmt[silicon]'", allow_module_level=True)


def router(family: str) -> pytest.MarkDecorator:
    """Skip a test where nextpnr of this family of FPGAs is absent."""
    package = f"yowasp_nextpnr_{family}"
    reason = f"nextpnr-{family} is not installed: pip install 'sysmt[boards]'"
    return pytest.mark.skipif(find_spec(package) is None, reason=reason)
