# SPDX-License-Identifier: Apache-2.0
"""The tables of the report as text, the same for the page and for Markdown: a heading and rows."""

from collections.abc import Sequence
from typing import Any

from .published import OpenArray

Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def number(value: float | None, digits: int = 3) -> str:
    """A number for people: grouped when large, a dash when there is none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def arrays_table(facts: dict[str, Any]) -> Table:
    """One row per array."""
    rows = []
    cells = any(array["silicon"]["area"] for array in facts["arrays"])
    fpga = any(array["silicon"]["luts"] is not None for array in facts["arrays"])
    for array in facts["arrays"]:
        silicon, energy = array["silicon"], array["energy"]
        size = [number(silicon["area"])] if cells else []
        size += [number(silicon["luts"]), number(silicon["dsps"])] if fpga else [number(silicon["nand2"])]
        clock = silicon["fmax_mhz"]
        speed = clock * array["peak"] / 1e3 if clock else None
        rows.append(
            [
                array["name"],
                *size,
                number(silicon["ffs"]),
                number(clock),
                number(array["peak"]),
                number(speed),
                number(energy["femtojoules_per_mac"]) if energy else "-",
            ]
        )
    size = (["area um2"] if cells else []) + (["LUTs", "DSPs"] if fpga else ["NAND2"])
    return ["array", *size, "flip-flops", "clock MHz", "MAC/cycle", "GMAC/s", "fJ/MAC"], rows


def blocks_table(arrays: Sequence[dict[str, Any]]) -> Table:
    """Share of every block in every array that tells them apart."""
    sizes = [array["silicon"]["blocks"] for array in arrays]
    shares = [{block: 100 * size / sum(found.values()) for block, size in found.items()} for found in sizes]
    blocks = dict.fromkeys(block for found in shares for block in found)
    rows = [[block, *(f"{found[block]:.1f} %" if block in found else "-" for found in shares)] for block in blocks]
    return ["block", *(array["name"] for array in arrays)], rows


def energy_table(arrays: Sequence[dict[str, Any]], what: str) -> Table:
    """Femtojoules per MAC in every array whose energy was measured, of every block (`what` is "blocks") or cause."""
    found = [array["energy"][what] for array in arrays]
    keys = dict.fromkeys(key for own in found for key in own)
    rows = [[key, *(number(own.get(key)) for own in found)] for key in keys]
    return ["fJ per MAC", *(array["name"] for array in arrays)], rows


def comparison_table(facts: dict[str, Any]) -> Table:
    """Ratios beside targets and published figures."""
    rows = []
    for row in facts["comparison"]:
        sign = "<=" if row["at_most"] else ">="
        target = f"{sign} {row['target']:.2f}" if row["target"] else "-"
        met = {True: "met", False: "not met", None: "-"}[row["met"]]
        published = f"{row['published']:.2f}" if row["published"] else "-"
        rows.append([f"{row['figure']} ({row['array']})", f"{row['value']:.3f}", target, met, published])
    return ["figure", "ours", "target", "", "published"], rows


def networks_table(facts: dict[str, Any]) -> Table:
    """Cycles of every network on every array."""
    arrays = facts["arrays"]
    rows = []
    for i, found in enumerate(arrays[0]["networks"]):
        cycles = [number(array["networks"][i]["cycles"]) for array in arrays]
        rows.append([found["network"], f"{found['macs'] / 1e6:,.0f} M", *cycles])
    return ["network", "MACs", *(array["name"] for array in arrays)], rows


def open_table(facts: dict[str, Any], others: Sequence[OpenArray]) -> Table:
    """Open arrays beside ours of the same size."""
    base = facts["references"][0]["silicon"]["area"]
    rows = []
    for ours in facts["references"]:
        area, speeds = ours["silicon"]["area"], [round(mhz) for mhz in ours["ecp5_mhz"]]
        clock = "-".join(map(str, dict.fromkeys((min(speeds), max(speeds))))) if speeds else "-"
        rows.append([f"{ours['name']} (ours)", number(area), f"{area / base:.2f}", clock])
    for other in others:
        rows.append([other.name, number(other.area_um2), f"{other.area_um2 / base:.2f}", other.ecp5_mhz])
    return ["array", "area um2", "to ours", "ECP5 MHz"], rows
