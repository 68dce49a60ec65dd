# SPDX-License-Identifier: Apache-2.0
"""The cache of everything that is built: directories found again by the content of all that they were made from.

They lie below `sysmt.base.files.build_root()`, in a folder per kind of build: `sim/NAME-KEY`, `silicon/NAME-KEY`.
A lock lets several processes ask for the same build: one makes it, the others wait and find it.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock

from .errors import UserError
from .files import build_root

LOCK, READY = "lock", "ready"
"""Files in every build directory: the lock, and the mark of a finished build."""


def digest(content: bytes | str) -> str:
    """The SHA-256 that stands for a long text in what a build is found by."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


@contextlib.contextmanager
def build_directory(kind: str, name: str, content: Any) -> Iterator[tuple[Path, bool]]:
    """The build directory of `content`, locked, and whether it is still to be built.

    Parameters
    ----------
    kind : str
        Folder below the build root.
    name : str
        Beginning of the directory's name, for people who look there.
    content : JSON values
        All that the result depends on: texts or their digests, commands, versions of tools.

    Yields
    ------
    directory, missing
        When it is missing it is empty, and finished when the `with` block ends; a block that fails leaves what it
        wrote (logs) and the next one begins with an empty directory again.
    """
    key = digest(json.dumps(content))[:16]
    directory = build_root() / kind / f"{name}-{key}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / LOCK).touch()
    except OSError as error:
        message = f"SYSMT_BUILD {str(build_root())!r} cannot be written: {error.strerror}; choose another folder"
        raise UserError(message) from error
    with FileLock(directory / LOCK):
        missing = not (directory / READY).exists()
        if missing:
            _empty(directory)
        yield directory, missing
        (directory / READY).touch()


def _empty(directory: Path) -> None:
    """Delete what an unfinished build left."""
    for path in directory.iterdir():
        if path.name != LOCK:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def cached(kind: str, name: str, content: Any, make: Callable[[Path], None]) -> Path:
    """The build directory that `make` filled for `content`, now or earlier; `make` gets it empty."""
    with build_directory(kind, name, content) as (directory, missing):
        if missing:
            make(directory)
    return directory


def cached_json(kind: str, name: str, content: Any, make: Callable[[], Any]) -> Any:
    """As `cached`, for a result that JSON can hold."""

    def write(directory: Path) -> None:
        (directory / "result.json").write_text(json.dumps(make()))

    return json.loads((cached(kind, name, content, write) / "result.json").read_text())
