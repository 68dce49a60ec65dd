# SPDX-License-Identifier: Apache-2.0
"""A request from what a user gives: names of models, of a board, files of inputs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.sim.nn.readers import read_network

from .accuracy import Judged, read
from .explore import Request, Workload, silent
from .silicon import Abstract, InCells, OnBoard, Target
from .space import space_of


def request_of(
    models: Sequence[str],
    *,
    board: str | None = None,
    liberty: str | None = None,
    inputs: Sequence[str] = (),
    calibrations: Sequence[str] = (),
    limit: int | None = None,
    settings: Sequence[str] = (),
    note: Callable[[str], None] = silent,
    **options: Any,
) -> Request:
    """What to explore.

    Parameters
    ----------
    models : sequence of str
        As `read_network` takes them.
    board : str, optional
        Name of a board.
    liberty : str, optional
        Name of a cell library, or its file.
    inputs, calibrations : sequence of str
        Files of inputs of every model, to measure accuracy on and to make plans from; none, or one per model.
    limit : int, optional
        Only so many inputs.
    settings : sequence of str
        As `space_of`.
    note : function of str
        Is told what is left out of a model.
    options
        Of `Request`.

    Raises
    ------
    UserError
        A file cannot be read; arguments do not go together.
    """
    budget = options.get("budget")
    for name, files in (("inputs", inputs), ("calibrate", calibrations)):
        if files and len(files) != len(models):
            raise UserError(f"{name} must be one file per model, {len(models)}, not {len(files)}")
    if budget is not None and not inputs:
        raise UserError(f"budget {100 * budget:g} must come with inputs to measure accuracy on; add --inputs IN.npz")
    if calibrations and budget is None:
        raise UserError("calibrate must come with a budget, for which layers slow down; add --budget PCT")
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    workloads = []
    for i, model in enumerate(models):
        name = Path(model).stem
        if inputs:
            judged = Judged(str(model), str(inputs[i]), str(calibrations[i]) if calibrations else None, budget, limit)
            workloads.append(Workload(name, read(judged), judged))
        else:
            workloads.append(Workload(name, read_network(model, optimise=True, note=note)))
    return Request(
        workloads=tuple(workloads),
        target=(target := _target(board, liberty)),
        space=space_of(settings, target.style, bool(inputs)),
        **options,
    )


def _target(board: str | None, liberty: str | None) -> Target:
    """What configurations are built for."""
    if board is not None and liberty is not None:
        raise UserError(f"board {board!r} must come without liberty {liberty!r}: they are two targets")
    if liberty is not None:
        return InCells.of(liberty)
    if board is None:
        return Abstract()
    from sysmt.boards.definitions import board as board_of  # needs the extra `boards`

    return OnBoard(board_of(board).name)
