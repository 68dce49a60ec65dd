# SPDX-License-Identifier: Apache-2.0
"""Gathers what the report of a program shows: cycles beside the ideal, and what every unit does over time."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from sysmt.sim.engine.activity import Activity, Record, shares
from sysmt.sim.engine.cost import program_cost
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.program import Program

SPANS = 240
"""Spans of time in the timeline."""


def gather_program(program: Program, name: str, say: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """What there is to show of a program.

    Parameters
    ----------
    program : Program
    name : str
        What the report calls it.
    say : function of str
        Is told the progress.

    Returns
    -------
    dict
        Plain values, as JSON holds them: those of `program_cost`; `macs`; `ideal`, the cycles of an array that is busy
        all the time; per layer of the engine also `ideal` and, per unit, `activities` (cycles by activity); `timeline`:
        per unit the shares of its activities in equal spans of time.
    """
    array = program.config.array
    peak = array.rows * array.cols * array.pe.products
    records: list[Record] = []
    cycles = program_cycles(program, lambda done, total: say(f"{done} of {total} layers"), records)
    cost = program_cost(program, cycles)
    on_engine = [row for row in cost["layers"] if row["where"] == "engine"]
    for row, record in zip(on_engine, records, strict=True):
        row["ideal"] = row["macs"] / peak
        row["activities"] = {unit: _named(counts.tolist()) for unit, counts in record.counts().items()}
    macs = sum(row["macs"] for row in on_engine)
    timeline = {
        unit: {key: values.tolist() for key, values in _named(list(found)).items()}
        for unit, found in shares(records, SPANS).items()
    }
    return {
        "generator": f"sysmt {version('sysmt')}",
        "name": name,
        "config": _fields(program.config.as_dict()),
        "clock_hz": program.clock_hz,
        "macs": macs,
        "peak": peak,
        "ideal": macs / peak,
        **cost,
        "timeline": timeline,
    }


def _fields(values: dict[str, Any]) -> dict[str, str]:
    """The fields of a configuration and of those inside it, as `--set` names them."""
    found: dict[str, str] = {}
    for key, value in values.items():
        found |= _fields(value) if isinstance(value, dict) else {key: str(value)}
    return found


def _named(values: list[Any]) -> dict[str, Any]:
    """Values by activity, those that are nowhere left out."""
    return {activity.name.lower(): value for activity, value in zip(Activity, values, strict=True) if _any(value)}


def _any(value: Any) -> bool:
    return bool(value.any()) if hasattr(value, "any") else bool(value)
