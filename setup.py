# SPDX-License-Identifier: Apache-2.0
"""The packages of the wheel: every folder below `hdl`, `sim`, `boards` and `sysmt`, all installed as `sysmt.*`.

Everything else is in pyproject.toml, which can map folders to packages but not find them below more than one name.
"""

from setuptools import find_packages, setup

MOVED = ("hdl", "sim", "boards")

found = find_packages(include=["sysmt", "sysmt.*", *MOVED, *(f"{name}.*" for name in MOVED)])
setup(
    packages=[name if name.split(".")[0] == "sysmt" else f"sysmt.{name}" for name in found],
    package_dir={f"sysmt.{name}": name for name in MOVED},
)
