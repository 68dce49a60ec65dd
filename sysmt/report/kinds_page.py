# SPDX-License-Identifier: Apache-2.0
"""Kinds of PE beside each other as a page, a picture or Markdown."""

from typing import Any

from . import markdown
from .kinds import CRITERIA, JUDGED, NETWORKS, on_front
from .page import template_of
from .tables import Table, number

LOWEST = -20.0
"""Points of top-1: what loses more is in the table only."""

PANELS = {
    "throughput_per_area": "throughput per area, to one thread",
    "energy": "energy per MAC, to one thread",
}
"""What the diagrams show top-1 against."""

CHANGE = f"top-1 of {JUDGED} to one thread, points"


def kinds_page(facts: dict[str, Any]) -> str:
    """The whole page.

    Raises
    ------
    UserError
        Jinja2 or matplotlib is not installed.
    """
    template = template_of("kinds.html.j2")
    from .scatter import as_svg

    content: str = template.render(
        facts=facts,
        chart=as_svg(f"top-1 against {' and against '.join(PANELS.values())}", _diagrams(facts)),
        tables={"kinds": kinds_table(facts), "networks": networks_table(facts)},
        notes=_notes(facts),
        commands=_commands(facts),
    )
    return content


def kinds_picture(facts: dict[str, Any]) -> bytes:
    """The diagrams of the page as PNG. UserError as `kinds_page`."""
    template_of("kinds.html.j2")
    from .scatter import as_png

    return as_png(_diagrams(facts))


def kinds_markdown(facts: dict[str, Any]) -> str:
    """The page without its diagrams."""
    parts = [
        "# Kinds of PE",
        f"{facts['generator']}; recorded by `{facts['recorded_by']}`.",
        markdown.table(*kinds_table(facts)),
        markdown.table(*networks_table(facts)),
        "\n".join(f"- {line}" for line in _notes(facts)),
        "## Commands",
        "```sh\n" + "\n".join(_commands(facts)) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def kinds_table(facts: dict[str, Any]) -> Table:
    """A row per kind and policy."""
    head = ["#", "kind", "with", "products", "area", "clock", "fJ/MAC", "energy", "throughput/area"]
    rows = []
    for place, row in enumerate(facts["rows"], 1):
        cells = [str(place), row["kind"], row["with"], number(row["products"])]
        cells += [_ratio(row["area"]), _ratio(row["clock"]), number(row["fj"]), _ratio(row["energy"])]
        cells.append(_ratio(row["throughput_per_area"]))
        cells += [_signed(row["networks"].get(name, {}).get("change")) for name in NETWORKS]
        rows.append([*cells, "best" if row["front"] else ""])
    return [*head, *(f"{name} points" for name in NETWORKS), ""], rows


def networks_table(facts: dict[str, Any]) -> Table:
    """What every kind and policy does on the networks."""
    head = ["#", "kind", "with"]
    for name in NETWORKS:
        head += [f"{name} top-1 %", "agree %", "cycles", "speed-up"]
    rows = []
    for place, row in enumerate(facts["rows"], 1):
        cells = [str(place), row["kind"], row["with"]]
        for name in NETWORKS:
            found = row["networks"].get(name)
            if found is None:
                cells += ["-"] * 4
                continue
            cells += [f"{100 * found['top1']:.1f}", f"{100 * found['agree']:.1f}"]
            cells += [number(found["cycles"]), f"{found['speedup']:.2f}"]
        rows.append(cells)
    return head, rows


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 1) or 0.0:+.1f}"


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _notes(facts: dict[str, Any]) -> list[str]:
    """What the figures are, and what the picture leaves out."""
    left = [
        f"{place} ({row['with']})"
        for place, row in enumerate(facts["rows"], 1)
        if row["change"] is not None and row["change"] < LOWEST
    ]
    return [
        f"area, clock and energy to the one-thread array {facts['base']}; throughput/area: products a step over area, "
        "at the same clock; of the networks points of top-1 to one thread",
        f"best: no other row is better in one of throughput per area, energy and top-1 of {JUDGED}, and as good in the "
        "others",
        "top-1, agreement and cycles of whole networks; all layers but the first, the last and depthwise ones on all "
        "threads; nothing reordered, recalibrated or adapted",
        f"smt-sa is exact and runs all layers on all threads; its throughput is its speed-up on {JUDGED}, since "
        "threads wait; rows and columns have no skew, but a stream of operands for every thread",
        *([f"beyond the picture, which ends at {LOWEST:g} points: {', '.join(left)}"] if left else []),
    ]


def _commands(facts: dict[str, Any]) -> list[str]:
    return [facts["recorded_by"], *(command for row in facts["rows"] for command in row["commands"])]


def _diagrams(facts: dict[str, Any]) -> "list[Any]":
    from .scatter import Diagram, Point

    found = []
    for name, axis in PANELS.items():
        criteria = {name: CRITERIA[name], "change": True}
        points = [
            Point(row[name], row["change"], _series(row), _name(row), place, on_front(row, facts["rows"], criteria))
            for place, row in enumerate(facts["rows"], 1)
            if row[name] is not None and row["change"] is not None and row["change"] >= LOWEST
        ]
        found.append(Diagram(points, axis, CHANGE))
    return found


def _series(row: dict[str, Any]) -> str:
    return f"{row['kind']}, {row['products']} a step" if row["products"] else str(row["kind"])


def _name(row: dict[str, Any]) -> str:
    """The values of the fields that are not numbers, or the number of threads."""
    values = [text.partition("=")[2] for text in row["with"].split()]
    return " ".join(value for value in values if not value.isdigit()) or "one thread"
