# SPDX-License-Identifier: Apache-2.0
"""Files that a command writes: none of them may be one that it reads, or another one that it writes."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError

OUTPUTS = ("output", "c", "svg", "dot", "waves", "plot")
"""Arguments that name a file to be written, or the folder of several."""
NO_FILES = ("command", "preset", "presets", "board", "network", "settings")
"""Arguments whose words are the name of a file by chance only."""


def check_outputs(args: argparse.Namespace) -> None:
    """Refuse a file to be written that the same command reads, or writes otherwise: one of the two would be lost."""
    files = {name: list(_paths(value)) for name, value in vars(args).items() if name not in NO_FILES}
    for name in OUTPUTS:
        for path in files.get(name, []):
            for other in files:
                if other != name and any(_same(path, another, other in OUTPUTS) for another in files[other]):
                    what = "two files at once" if other in OUTPUTS else "read by the same command"
                    raise UserError(f"{name} {str(path)!r} must not be {what}: choose another file")


def _paths(value: Any) -> Iterator[Path]:
    """The paths that an argument may stand for."""
    for part in value if isinstance(value, list | tuple) else [value]:
        if isinstance(part, str | Path):
            yield Path(part)


def _same(one: Path, other: Path, to_be: bool) -> bool:
    """Whether they are one file that is there already, or, if both are `to_be`, will be."""
    if one.exists() and other.exists():
        return one.is_file() and one.samefile(other)
    return to_be and one.absolute() == other.absolute()
