# SPDX-License-Identifier: Apache-2.0
"""The report of a program as one self-contained page: a timeline of the engine's units, and cycles beside the ideal."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from .markdown import table as as_markdown
from .page import template_of
from .tables import Table, number

ACTIVITIES = {
    "works": ("works", "#12436d"),
    "residual": ("reads residuals", "#2b7f5c"),
    "drains": ("drains sums", "#9fd3ea"),
    "waits_filler": ("waits for the filler", "#f0a330"),
    "waits_array": ("waits for the array", "#cdb7e6"),
    "waits_requantiser": ("waits for the requantiser", "#a4243b"),
    "waits_memory": ("waits for memory", "#f2de7a"),
    "waits_weights": ("waits for weights", "#6a4c93"),
    "fetches": ("reads a descriptor", "#59626e"),
    "idle": ("nothing to do", "#e6e9ed"),
}
"""What an activity is called, and its colour, the same in all charts."""


def program_page(facts: dict[str, Any]) -> str:
    """The whole page.

    Parameters
    ----------
    facts : dict
        Of `sysmt.report.program_facts.gather_program`.

    Raises
    ------
    UserError
        Jinja2 or matplotlib is not installed.
    """
    template = template_of("program.html.j2")
    content: str = template.render(
        facts=facts,
        tables={"layers": layers_table(facts), "waits": waits_table(facts), "memories": memories_table(facts)},
        charts=_charts(facts),
        summary=summary(facts),
        configuration=(["field", "value"], list(facts["config"].items())),
    )
    return content


def program_markdown(facts: dict[str, Any]) -> str:
    """The tables of the page, as Markdown."""
    parts = [
        f"# {facts['name']} on the engine",
        f"{facts['generator']}; {summary(facts)}.",
        "## Layers",
        as_markdown(*layers_table(facts)),
        "## What every unit does",
        as_markdown(*waits_table(facts)),
        "## Memories",
        as_markdown(*memories_table(facts)),
    ]
    return "\n\n".join(parts) + "\n"


def summary(facts: dict[str, Any]) -> str:
    """The figures of the whole network in a line."""
    time = (
        "" if facts["milliseconds"] is None else f", {facts['milliseconds']:.3g} ms at {facts['clock_hz'] / 1e6:g} MHz"
    )
    used = f"{100 * facts['ideal'] / facts['cycles']:.1f} % of the array's {facts['peak']} per cycle"
    return f"{facts['cycles']:,} cycles per input, start to done{time}; {facts['macs']:,} MACs, {used}"


def layers_table(facts: dict[str, Any]) -> Table:
    """One row per layer and per operator of the host; with an SDRAM also what they read from it and wait for."""
    streams = any("sdram_bytes" in row for row in facts["layers"])
    rows = [
        [
            label,
            row["kind"],
            row["where"],
            f"{row['macs']:,}",
            "-" if row["cycles"] is None else f"{row['cycles']:,}",
            number(row.get("ideal")),
            *("-" if row[share] is None else f"{100 * row[share]:.1f} %" for share in ("utilisation", "padding")),
            *(_from_sdram(row) if streams else []),
        ]
        for label, row in zip(_labels(facts["layers"]), facts["layers"], strict=True)
    ]
    head = ["layer", "operator", "where", "MACs", "cycles", "ideal", "utilisation", "padding"]
    return [*head, *(["bytes from SDRAM", "cycles waiting for them"] if streams else [])], rows


def _from_sdram(row: dict[str, Any]) -> list[str]:
    """Bytes that a layer reads from the SDRAM, and the cycles that its array waits for them."""
    if "activities" not in row:
        return ["-", "-"]
    waits = row["activities"]["array"].get("waits_weights", 0)
    return [f"{row['sdram_bytes']:,}", f"{waits:,}"]


def waits_table(facts: dict[str, Any]) -> Table:
    """Share of all cycles of every unit, by activity."""
    layers = [row for row in facts["layers"] if "activities" in row]
    units = list(layers[0]["activities"])
    rows = []
    for key, (name, _) in ACTIVITIES.items():
        spent = [sum(row["activities"][unit].get(key, 0) for row in layers) for unit in units]
        if any(spent):
            rows.append([name, *(f"{100 * count / facts['cycles']:.1f} %" if count else "-" for count in spent)])
    return ["share of cycles", *units], rows


def memories_table(facts: dict[str, Any]) -> Table:
    """Bytes of every memory, and how many there are."""
    rows = [
        [
            row["memory"],
            f"{row['bytes']:,}",
            f"{row['of']:,}",
            f"{100 * row['bytes'] / row['of']:.0f} %" if row["of"] else "-",
        ]
        for row in facts["memories"]
    ]
    return ["memory", "bytes", "of", "used"], rows


def _labels(layers: Sequence[dict[str, Any]]) -> list[str]:
    """What layers are called: those of the engine by their number in the timeline, too."""
    labels, at = [], 0
    for row in layers:
        at += row["where"] == "engine"
        name = "/".join(row["name"].split(";")[0].split("/")[-2:])[-18:]
        labels.append(f"{at} {name}" if row["where"] == "engine" else name)
    return labels


def _charts(facts: dict[str, Any]) -> dict[str, str]:
    """The charts as SVG."""
    from .charts import grouped, stacked, timeline  # Needs matplotlib, which an extra brings.

    layers = [(name, row) for name, row in zip(_labels(facts["layers"]), facts["layers"], strict=True) if row["cycles"]]
    starts = accumulate((row["cycles"] for _, row in layers[:-1]), initial=0)
    names = {key: name for key, (name, _) in ACTIVITIES.items()}
    colours = dict(ACTIVITIES.values())
    lanes = {unit: {names[key]: shares for key, shares in found.items()} for unit, found in facts["timeline"].items()}
    marks = [(start, str(i)) for i, start in enumerate(starts, 1)]
    waits = [
        (name, {names[key]: count for key, count in row["activities"]["array"].items()}, f"{row['cycles']:,}")
        for name, row in layers
    ]
    return {
        "timeline": timeline("What every unit does over time", lanes, colours, facts["cycles"], marks),
        "cycles": grouped(
            "Cycles per layer beside the ideal",
            [(name, [row["cycles"] / 1e3, row["ideal"] / 1e3]) for name, row in layers],
            ["cycles", "ideal"],
            "k",
        ),
        "array": stacked("What the array does per layer", waits, list(colours), list(colours.values())),
    }
