# SPDX-License-Identifier: Apache-2.0
"""Arrays of 2 and 4 threads against the one-thread array of the same size: our targets and the published figures."""

from typing import Any

from .published import PUBLISHED, TARGETS


def compare(arrays: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ratios of every threaded array to its one-thread partner, where that is among the arrays.

    Returns
    -------
    list of dict
        `figure`, `array`, `base`, `value`, `target`, `at_most` (whether smaller is better), `met` (None where there is
        no target), `published` (None where nothing is), `source`.
    """
    rows = []
    for array in arrays:
        threads = array["config"]["threads"]
        base = next((b for b in arrays if _partner(b) == (_partner(array)[0], 1)), None)
        if threads == 1 or base is None:
            continue
        target, paper = TARGETS[threads], PUBLISHED[threads]
        area = _ratio(array, base, area_of)
        energy = _ratio(array, base, energy_of)
        slower = _ratio(base, array, _period)
        speed = _ratio(array, base, _throughput)
        found = [
            ("area", area, target.area, True, paper.area),
            ("energy per MAC", energy, target.energy, True, paper.energy),
            ("throughput per area", speed / area if area and speed else None, target.throughput_per_area, False, None),
            ("clock", slower, target.clock, False, None),
        ]
        for figure, value, limit, at_most, published in found:
            if value is not None:
                met = None if not limit else (value <= limit if at_most else value >= limit)
                if figure == "throughput per area":
                    published = paper.throughput_per_area
                rows.append(
                    {
                        "figure": f"{figure}, {threads}T / 1T",
                        "array": array["name"],
                        "base": base["name"],
                        "value": value,
                        "target": limit or None,
                        "at_most": at_most,
                        "met": met,
                        "published": published,
                        "source": paper.source if published else None,
                    }
                )
    return rows


def _partner(array: dict[str, Any]) -> tuple[tuple[int, int], int]:
    config = array["config"]
    return (config["rows"], config["cols"]), config["threads"]


def _ratio(array: dict[str, Any], base: dict[str, Any], of: Any) -> float | None:
    own, other = of(array), of(base)
    return own / other if own and other else None


def area_of(array: dict[str, Any]) -> float | None:
    """Area of a report's array, in um2 or NAND2."""
    return array["silicon"]["area"] or array["silicon"]["nand2"]


def energy_of(array: dict[str, Any]) -> float | None:
    """Femtojoules per MAC of a report's array; None where none was measured."""
    return array["energy"]["femtojoules_per_mac"] if array["energy"] else None


def _period(array: dict[str, Any]) -> float | None:
    return array["silicon"]["period_ps"]


def _throughput(array: dict[str, Any]) -> float:
    """Multiply-accumulates per cycle: of the simulated layers, else the peak."""
    if array["energy"]:
        layers = array["energy"]["layers"]
        return sum(layer["macs"] for layer in layers) / sum(layer["macs"] / layer["macs_per_cycle"] for layer in layers)
    return array["peak"]
