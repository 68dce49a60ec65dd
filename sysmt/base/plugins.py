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
    """The `KIND` of the module `kind` of `package`; a `UserError` where there is none, or none that can be read."""
    if kind not in names(package, part):
        raise UserError(f"kind {kind!r} has no module {package}.{kind}: add {part}/{kind}.py")
    try:
        return importlib.import_module(f"{package}.{kind}").KIND
    except (SyntaxError, ImportError, AttributeError, NameError, TypeError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        raise UserError(
            f"kind {kind!r} must have a KIND in {part}/{kind}.py, which fails ({reason}); mend it"
        ) from error


def _folders(package: str, part: str) -> list[str]:
    """Where the modules of the package lie. Folders of SYSMT_KINDS join its path, so that they can be imported."""
    module = importlib.import_module(package)
    own = str(Path(str(module.__file__)).parent)
    more = [folder for folder in os.environ.get("SYSMT_KINDS", "").split(os.pathsep) if folder]
    for folder in more:
        if not Path(folder).is_dir():
            raise UserError(
                f"SYSMT_KINDS must list folders that exist, not {folder!r}: create it, or unset the variable"
            )
    module.__path__ = [own, *(str(Path(folder) / part) for folder in more)]
    return module.__path__
