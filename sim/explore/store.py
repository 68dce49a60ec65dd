# SPDX-License-Identifier: Apache-2.0
"""Results in one SQLite file: what was computed once is found again, by whatever exploration asks for it.

Every batch of results is one transaction: a process that is killed loses the batch at hand and nothing else.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import build_root

TABLE = (
    "CREATE TABLE IF NOT EXISTS results"
    "(kind TEXT, key TEXT, subject TEXT, value TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID"
)
AT_ONCE = 500
"""Keys in one question: SQLite takes no more than some thousand."""
WAITS_S = 60.0
"""How long one process waits for another one's transaction."""


def default_store() -> Path:
    """Where results are kept where no file is named: in the build folder, which is created."""
    folder = build_root() / "explore"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"SYSMT_BUILD {str(build_root())!r} cannot be written: {error.strerror}; choose another folder"
        raise UserError(message) from error
    return folder / "results.sqlite"


class Store:
    """A file of results.

    Parameters
    ----------
    path : Path
        It is created if it is not there.

    Raises
    ------
    UserError
        It cannot be written, or is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._errors():
            self._connection = sqlite3.connect(path, timeout=WAITS_S)
            self._connection.execute(TABLE)

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def known(self, kind: str, keys: Sequence[str]) -> dict[str, Any]:
        """What is stored of `kind` under these keys, by key."""
        found: dict[str, Any] = {}
        with self._errors():
            for first in range(0, len(keys), AT_ONCE):
                some = keys[first : first + AT_ONCE]
                marks = ",".join("?" * len(some))
                rows = self._connection.execute(
                    f"SELECT key, value FROM results WHERE kind = ? AND key IN ({marks})", [kind, *some]
                )
                found |= {key: json.loads(value) for key, value in rows}
        return found

    def add(self, kind: str, rows: Iterable[tuple[str, str, Any]]) -> None:
        """Store (key, what it is of in words, result) of `kind`, all or none; what another process has stored stays."""
        texts = [(kind, key, subject, json.dumps(value)) for key, subject, value in rows]
        with self._errors(), self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?)", texts)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UserError(
                f"store {str(self.path)!r} must be a file of results that can be written, not one with: {error}; "
                "choose another"
            ) from error
