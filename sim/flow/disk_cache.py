# SPDX-License-Identifier: Apache-2.0
"""Results kept by the content of everything they came from, under the build folder."""

import fcntl
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sysmt.base.files import build_root


def kept(kind: str, facts: dict[str, Any], make: Callable[[Path], None]) -> Path:
    """The folder that `make` filled for these facts, now or earlier.

    Parameters
    ----------
    kind : str
        Beginning of the folder's name.
    facts : dict
        All that the result depends on, JSON: commands, texts or their hashes, versions of tools.
    make : callable
        Gets an empty folder. When it fails nothing is kept. Two processes that ask for the same make it once.
    """
    key = hashlib.sha256(json.dumps([kind, facts], sort_keys=True).encode()).hexdigest()[:20]
    root = build_root() / "silicon"
    root.mkdir(parents=True, exist_ok=True)
    folder = root / f"{kind}-{key}"
    with open(root / f".{kind}-{key}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "ready").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            try:
                make(folder)
                (folder / "ready").touch()
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
    return folder


def kept_json(kind: str, facts: dict[str, Any], make: Callable[[], Any]) -> Any:
    """As `kept`, for a result that JSON can hold."""
    folder = kept(kind, facts, lambda place: (place / "result.json").write_text(json.dumps(make())) and None)
    return json.loads((folder / "result.json").read_text())


def digest(content: bytes | str) -> str:
    """What stands for a text among the facts."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()
