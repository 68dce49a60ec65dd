# SPDX-License-Identifier: Apache-2.0
"""The report as one self-contained page: no script, no font, no picture from anywhere else."""

from collections.abc import Sequence
from html import escape
from typing import Any

from sysmt.sim.flow.blocks import BLOCKS
from sysmt.sim.flow.energy import PARTS

from .charts import grouped, stacked
from .markdown import assumptions, commands
from .published import OPEN_ARRAYS
from .tables import arrays_table, blocks_table, comparison_table, networks_table, number, open_table

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.45 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; color: #1d232b; margin: 0;
  background: #f4f5f7; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 26px; margin: 0 0 4px; } h2 { font-size: 18px; margin: 0 0 10px; }
p { margin: 0 0 10px; } .scroll + p { margin: 10px 0 0; } .quiet { color: #5a6572; font-size: 13px; }
section, .tile { background: #fff; border: 1px solid #dfe3e8; border-radius: 8px; padding: 16px 18px;
  margin-top: 16px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(max(150px, 22%), 1fr)); gap: 12px;
  margin-top: 16px; }
.tile { margin: 0; border-left: 5px solid #9aa5b1; } .tile.met { border-left-color: #3a8f5c; }
.tile.missed { border-left-color: #b23a48; }
.tile b { display: block; font-size: 25px; line-height: 1.2; }
.tile span { display: block; font-size: 13px; color: #5a6572; }
.tile .state { font-weight: 600; } .met .state { color: #2c7048; } .missed .state { color: #b23a48; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 16px; }
.two section { margin-top: 0; } .two { margin-top: 16px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 13.5px; }
th, td { text-align: right; padding: 5px 7px; border-bottom: 1px solid #e6e9ed; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; } th { color: #5a6572; font-weight: 600; }
td.met { color: #2c7048; } td.missed { color: #b23a48; }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 12px; fill: #1d232b; }
svg text.name { font-weight: 600; }
pre { background: #f4f5f7; padding: 10px 12px; overflow-x: auto; font-size: 12.5px; margin: 0; border-radius: 6px; }
details summary { cursor: pointer; font-weight: 600; } ul { margin: 0; padding-left: 20px; }
@media (max-width: 560px) { main { padding: 14px 10px 32px; } section { padding: 12px; } h1 { font-size: 21px; } }
"""


def page(facts: dict[str, Any]) -> str:
    """The whole page."""
    arrays = facts["arrays"]
    names = ", ".join(array["name"] for array in arrays)
    body = [
        f"<h1>Silicon of {escape(names)}</h1>",
        f'<p class="quiet">{escape(_head(facts))}</p>',
        _tiles(facts),
        _section("Arrays", _table(*arrays_table(facts)), _missed(facts)),
        f'<div class="two">{_area(facts)}{_energy(facts)}</div>',
        _section("Against the one-thread array", _table(*comparison_table(facts)), _paper(facts))
        if facts["comparison"]
        else "",
        f'<div class="two">{_cycles(facts)}{_timing(facts)}</div>',
        _open(facts),
        _section("Configurations", _table(*_configurations(arrays))),
        _section("What the figures leave out", _list(assumptions(facts))),
        _section("Commands that print each number again", f"<pre>{escape(chr(10).join(commands(facts)))}</pre>"),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Silicon of {escape(names)}</title><style>{STYLE}</style></head>"
        f"<body><main>{''.join(body)}</main></body></html>\n"
    )


def _head(facts: dict[str, Any]) -> str:
    changed = ", ".join(f"{field}={value}" for field, value in facts["settings"].items())
    return (
        f"{facts['generator']}; target {facts['target']}, mapped for {facts['clock_mhz']:g} MHz"
        + (f"; with {changed}" if changed else "")
        + ". T threads share one multiplier per PE; the one-thread array is the conventional one."
    )


def _tiles(facts: dict[str, Any]) -> str:
    """The ratios that decide, largest first to read."""
    tiles = []
    for row in facts["comparison"]:
        state = {True: "met", False: "missed", None: ""}[row["met"]]
        sign = "at most" if row["at_most"] else "at least"
        goal = f"target: {sign} {row['target']:.2f}" if row["target"] else "no target"
        word = {True: "met", False: "not met", None: ""}[row["met"]]
        published = f"published {row['published']:.2f}" if row["published"] else ""
        tiles.append(
            f'<div class="tile {state}"><span>{escape(row["figure"])}</span><b>{row["value"]:.2f}x</b>'
            f'<span class="state">{word}</span><span>{goal}</span><span>{published}</span></div>'
        )
    return f'<div class="tiles">{"".join(tiles)}</div>' if tiles else ""


def _missed(facts: dict[str, Any]) -> str:
    lines = [f"{a['name']}: {a['silicon']['shortfall']}" for a in facts["arrays"] if a["silicon"]["shortfall"]]
    return f'<p class="quiet">{"<br>".join(map(escape, lines))}</p>' if lines else ""


def _area(facts: dict[str, Any]) -> str:
    arrays = [array for array in facts["arrays"] if array["silicon"]["blocks"]]
    if not arrays:
        return ""
    unit = "um2" if arrays[0]["silicon"]["area"] else "NAND2"
    sizes = [(array["name"], array["silicon"]["blocks"]) for array in arrays]
    rows = [(name, blocks, f"{number(sum(blocks.values()))} {unit}") for name, blocks in sizes]
    return _section("Area by block", stacked(rows, BLOCKS), "<br>", _table(*blocks_table(arrays)))


def _energy(facts: dict[str, Any]) -> str:
    arrays = [array for array in facts["arrays"] if array["energy"]]
    if not arrays:
        return ""
    text = [(a["name"], a["energy"], f"{number(a['energy']['femtojoules_per_mac'])} fJ") for a in arrays]
    blocks = stacked([(name, found["blocks"], end) for name, found, end in text], BLOCKS)
    parts = stacked([(name, found["parts"], end) for name, found, end in text], PARTS)
    note = f'<p class="quiet">Per useful MAC on {escape(arrays[0]["energy"]["workload"])}: by block, then by cause.</p>'
    return _section("Energy per MAC", note, blocks, "<br>", parts)


def _cycles(facts: dict[str, Any]) -> str:
    arrays = facts["arrays"]
    groups = [
        (found["network"].replace("mobilenet", "mn"), [array["networks"][i]["cycles"] / 1e6 for array in arrays])
        for i, found in enumerate(arrays[0]["networks"])
    ]
    chart = grouped(groups, [array["name"] for array in arrays], "M cycles")
    note = '<p class="quiet">Batch 1, 224x224; depthwise layers fill one column of the array whatever its threads.</p>'
    return _section("Cycles on networks", note, chart, _table(*networks_table(facts)))


def _timing(facts: dict[str, Any]) -> str:
    rows = []
    for array in facts["arrays"]:
        for path in array["silicon"]["paths"][:3]:
            rows.append([array["name"], path["module"].removeprefix(f"{array['name']}_"), number(path["period_ps"])])
    if not rows:
        return ""
    return _section("Slowest paths, by the module they end in", _table(["array", "module", "ps"], rows))


def _paper(facts: dict[str, Any]) -> str:
    sources = sorted({row["source"] for row in facts["comparison"] if row["source"]})
    return f'<p class="quiet">Published: {escape("; ".join(sources))}.</p>'


def _open(facts: dict[str, Any]) -> str:
    if not facts["references"]:
        return ""
    note = f"Ours drain while the next tile runs. The open ones have one thread; {OPEN_ARRAYS[0].source}."
    return _section("Open 8x8 arrays", _table(*open_table(facts, OPEN_ARRAYS)), f'<p class="quiet">{escape(note)}</p>')


def _configurations(arrays: Sequence[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    keys = list(arrays[0]["config"])
    rows = [[key, *(str(array["config"][key]) for array in arrays)] for key in keys]
    rows += [[key, *(number(array[key]) for array in arrays)] for key in ("pes", "latency", "k_max")]
    return ["field", *(array["name"] for array in arrays)], rows


def _section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(_cell(text) for text in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(text: str) -> str:
    kind = {"met": ' class="met"', "not met": ' class="missed"'}.get(text, "")
    return f"<td{kind}>{escape(text)}</td>"
