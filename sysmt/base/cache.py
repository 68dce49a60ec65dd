# SPDX-License-Identifier: Apache-2.0
"""The cache of everything that is built: directories found again by the content of all that they were made from.

They lie below `sysmt.base.files.build_root()`, in a folder per kind of build: `sim/NAME-KEY`, `silicon/NAME-KEY`.
A lock lets several processes ask for the same build: one makes it, the others wait and find it.
"""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
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


def cached(kind: str, name: str, content: Any, make: Callable[[Path], None]) -> Path:
    """The build directory of `content`, which `make` fills unless it was filled earlier.

    Parameters
    ----------
    kind : str
        Folder below the build root.
    name : str
        Beginning of the directory's name, for people who look there.
    content : JSON values
        All that the result depends on: texts or their digests, commands, versions of tools.
    make : callable
        Gets an empty folder within that of the build, and what it leaves there becomes the build. When it fails, or the
        process is killed, it stays (logs) until the next attempt, which has a folder of its own: compilers that outlive
        their killed parent write into no other build than theirs.
    """
    directory = build_root() / kind / f"{name}-{digest(json.dumps(content))[:16]}"
    # A finished build is only read, from a folder that cannot be written, too.
    if not (directory / READY).exists():
        try:
            directory.mkdir(parents=True, exist_ok=True)
            (directory / LOCK).touch()
        except OSError as error:
            message = f"SYSMT_BUILD {str(build_root())!r} cannot be written: {error.strerror}; choose another folder"
            raise UserError(message) from error
        with FileLock(directory / LOCK):
            if not (directory / READY).exists():
                _build(directory, make)
    return directory


def _build(directory: Path, make: Callable[[Path], None]) -> None:
    """Fill the locked directory."""
    for path in directory.iterdir():
        if path.name != LOCK:
            _delete(path)
    attempt = Path(tempfile.mkdtemp(prefix="attempt-", dir=directory))
    attempt.chmod(0o755)
    make(attempt)
    for path in attempt.iterdir():
        path.replace(directory / path.name)
    attempt.rmdir()
    (directory / READY).touch()


def _delete(path: Path) -> None:
    """Delete what an attempt left; a compiler that is still at work there may write what cannot be deleted yet."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def cached_json(kind: str, name: str, content: Any, make: Callable[[], Any]) -> Any:
    """As `cached`, for a result that JSON can hold."""

    def write(directory: Path) -> None:
        (directory / "result.json").write_text(json.dumps(make()))

    return json.loads((cached(kind, name, content, write) / "result.json").read_text())
