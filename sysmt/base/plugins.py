# SPDX-License-Identifier: Apache-2.0
"""Modules that are found by their name in a package: the parts of a kind of processing element.

A package of kinds (for instance `sysmt.hdl.params.kinds`) has one module per kind, called like the kind, that holds
its part as `KIND`. More kinds come from the folders that the environment variable SYSMT_KINDS lists (separated as in
PATH): below such a folder, `params/NAME.py`, `gates/NAME.py`, `golden/NAME.py` are the parts of the kind NAME.
An environment variable, since simulators run in processes of their own.
"""

import importlib
import os
import pkgutil
from pathlib import Path
from typing import Any

from .errors import UserError


def names(package: str, part: str) -> tuple[str, ...]:
    """The kinds of which `package` has a part, in alphabetical order; `part` is its folder's name in SYSMT_KINDS."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(_folders(package, part))))


def load(package: str, part: str, kind: str) -> Any:
    """The `KIND` of the module `kind` of `package`; a `UserError` where there is none."""
    if kind not in names(package, part):
        raise UserError(f"kind {kind!r} has no module {package}.{kind}: add {part}/{kind}.py")
    return importlib.import_module(f"{package}.{kind}").KIND


def _folders(package: str, part: str) -> list[str]:
    """Where the modules of the package lie. Folders of SYSMT_KINDS join its path, so that they can be imported."""
    module = importlib.import_module(package)
    own = str(Path(str(module.__file__)).parent)
    more = filter(None, os.environ.get("SYSMT_KINDS", "").split(os.pathsep))
    module.__path__ = [own, *(str(Path(folder) / part) for folder in more)]
    return module.__path__
