# SPDX-License-Identifier: Apache-2.0
"""The best points synthesised for real, and how far their predictions were off."""

from collections.abc import Callable
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.config import Config
from sysmt.sim.flow.synthesis import CLOCK_MHZ, synthesise

from .points import Point
from .requests import silent
from .result import Exploration
from .silicon import Abstract, InCells, OnBoard

SEEDS = 1
"""Placements on an FPGA: each takes minutes."""


def check(target: object, count: int) -> None:
    """Refuse what cannot be synthesised, before the exploration.

    Raises
    ------
    UserError
        A negative number; no target, or cells without their file.
    """
    if count < 0:
        raise UserError(f"synthesise must be at least 0, not {count}")
    if count and isinstance(target, Abstract):
        raise UserError(f"synthesise {count} must come with a target: add --board B or --liberty L")
    if count and isinstance(target, InCells) and target.file is None:
        raise UserError(
            f"synthesise {count} must come with the file of {target.library}: --liberty FILE.lib, not its name"
        )


def synthesised(found: Exploration, count: int, log: Callable[[str], None] = silent) -> list[dict[str, Any]]:
    """Synthesise the best points of the front; equal designs are found in the cache of builds.

    Parameters
    ----------
    found : Exploration
    count : int
        How many points, the best first.
    log : function of str
        Is told the progress.

    Returns
    -------
    list of dict
        Per point its `command`, and of `area` and `mhz` (None where not known) the prediction, its interval, what was
        measured, and the error of the prediction in percent. On a board area and clock are those of the accelerator
        placed alone, without pins.
    """
    check(found.request.target, count)
    return [synthesised_point(found, point, log) for point in found.best(count)]


def synthesised_point(found: Exploration, point: Point, log: Callable[[str], None] = silent) -> dict[str, Any]:
    """One point of an exploration, as `synthesised` has it."""
    target = found.request.target
    config: Config = point.built
    if isinstance(target, OnBoard):
        family = target.board.part.family.name
        result = synthesise(design_of(config, "explored"), family, CLOCK_MHZ, SEEDS, progress=log)
    else:
        assert isinstance(target, InCells)
        assert target.file is not None
        result = synthesise(design_of(config, "explored"), target.file, CLOCK_MHZ, progress=log)
    measured = {"area": result.luts if result.area is None else result.area, "mhz": result.fmax_mhz}
    # Memories in cells are no part of a netlist.
    predicted = point.facts | ({"area": point.facts["logic"]} if "logic" in point.facts else {})
    facts = {name: _beside(predicted.get(name), value) for name, value in measured.items()}
    return {"command": found.command(point), **facts}


def _beside(predicted: list[float] | None, measured: float | None) -> dict[str, Any]:
    """A prediction and what it is of."""
    value, low, high = predicted if predicted is not None else (None, None, None)
    known = value is not None and measured is not None
    return {
        "predicted": value,
        "low": low,
        "high": high,
        "measured": measured,
        "error_percent": 100 * (value / measured - 1) if known and value is not None and measured else None,
    }
