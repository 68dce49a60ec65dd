# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: the state of a training between two epochs, written as a whole or not at all."""

import io
from pathlib import Path
from typing import Any

import torch

from sysmt.base.errors import UserError
from sysmt.base.files import write_together

LATEST = "checkpoint.pt"
"""After the last epoch that was finished."""
FIRST_PHASE = "first_phase.pt"
"""At the end of the first phase: other trainings may go on from there."""


def write(folder: Path, name: str, identity: dict[str, Any], state: dict[str, Any]) -> None:
    """Write a checkpoint into a folder, in place of the one there.

    Parameters
    ----------
    folder : Path
    name : str
        `LATEST` or `FIRST_PHASE`.
    identity : dict of plain values
        All that the result of the training depends on.
    state : dict of tensors and plain values
    """
    content = io.BytesIO()
    torch.save(state | {"identity": identity}, content)
    write_together(folder, {name: content.getvalue()})


def read(folder: Path, name: str, identity: dict[str, Any], device: str) -> dict[str, Any] | None:
    """The state in a folder, or None where there is no checkpoint.

    Raises
    ------
    UserError
        It is damaged, or of another identity.
    """
    path = folder / name
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        found = state.pop("identity")
    except Exception as error:  # what a damaged file raises is nowhere written down
        raise UserError(f"checkpoint {str(path)!r} cannot be read ({type(error).__name__}); delete it") from None
    for field, value in identity.items():
        if found.get(field) != value:
            raise UserError(
                f"checkpoint {str(path)!r} is of {field} = {found.get(field)!r}, not {value!r}; "
                "give that again, or another folder"
            )
    return state
