# SPDX-License-Identifier: Apache-2.0
"""The report as Markdown: the same tables as the page, and those that docs/figures.md shows."""

from collections.abc import Sequence
from typing import Any

from .published import OPEN_ARRAYS
from .tables import arrays_table, blocks_table, comparison_table, networks_table, open_table


def markdown(facts: dict[str, Any]) -> str:
    """The whole report."""
    parts = [
        "# Silicon report",
        f"{facts['generator']}; target {facts['target']}, mapped for {facts['clock_mhz']:g} MHz.",
        "## Arrays",
        table(*arrays_table(facts)),
        *_section("## Against one thread", *comparison_table(facts)),
        *_section("## Area by block", *blocks_table([a for a in facts["arrays"] if a["silicon"]["blocks"]])),
        "## Cycles on networks",
        table(*networks_table(facts)),
        *(_section("## Open 8x8 one-thread arrays", *open_table(facts, OPEN_ARRAYS)) if facts["references"] else ()),
        "## Assumptions",
        "\n".join(f"- {line}" for line in assumptions(facts)),
        "## Commands",
        "```sh\n" + "\n".join(commands(facts)) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def commands(facts: dict[str, Any]) -> list[str]:
    """What prints each number again."""
    return list(dict.fromkeys(c for a in facts["arrays"] + facts["references"] for c in a["commands"].values()))


def figures(facts: dict[str, Any], gated: dict[str, Any]) -> str:
    """The tables of docs/figures.md; `gated` are the facts of the same arrays with clock gates."""
    parts = [table(*arrays_table(facts))]
    if facts["comparison"]:
        parts.append(table(*comparison_table(facts)))
    if facts["energy_assumptions"]:
        parts += ["With `--set clock_gating=true`:", table(*arrays_table(gated))]
    return "\n\n".join([*parts, " ".join(f"{line[0].upper()}{line[1:]}." for line in assumptions(facts))])


def assumptions(facts: dict[str, Any]) -> list[str]:
    """What every figure leaves out."""
    silicon = facts["arrays"][0]["silicon"]
    found = [f"area: cells only, no wires, no clock tree, no filler; {silicon['tool']}"]
    if silicon["timing_tool"]:
        found.append(f"clock: {silicon['timing_assumptions']}; {silicon['timing_tool']}")
    if facts["energy_assumptions"]:
        found.append(f"energy: per useful MAC, zeros included, tiles back to back; {facts['energy_assumptions']}")
    return [*found, "cycles: operands and sink always ready, layers one after the other"]


def _section(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [title, table(head, rows)] if rows else []


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of texts; all columns but the first to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
