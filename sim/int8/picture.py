# SPDX-License-Identifier: Apache-2.0
"""Pictures of what NB-SMT does to a network: accuracy against speed-up over policies, and bars per layer."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hdl.files import write_together

COLOURS = {1: "#777777", 2: "#0072b2", 4: "#d55e00"}
"""Per thread count; told apart by colour-blind readers too (Okabe and Ito)."""
LINE = 0.035
"""Height of a line of text, as a share of the range of the axis."""
ASIDE = 0.08
"""How far labels stand from their points, in speed-up."""


def draw_policies(name: str, rows: list[dict[str, Any]], path: Path) -> None:
    """One point per run.

    Parameters
    ----------
    name : str
        The network, for the title.
    rows : list of dict
        `threads`, `policy`, `top1`, `top1_exact` (fractions of 1), `speedup`.
    path : Path
        A .png file.
    """
    figure = Figure(figsize=(7, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    every = [100 * row["top1"] for row in rows] + [100 * rows[0]["top1_exact"]]
    axes.axhline(every[-1], color=COLOURS[1], linestyle="--", label="exact")
    for threads in sorted({row["threads"] for row in rows}):
        mine = [row for row in rows if row["threads"] == threads]
        places = [row["speedup"] for row in mine], [100 * row["top1"] for row in mine]
        axes.plot(*places, "os"[threads == 4], color=COLOURS[threads], label=f"{threads} threads")
        for column in _columns(mine):
            heights = _spread([y for y, _ in column.points], LINE * (max(every) - min(every)))
            for (y, names), height in zip(column.points, heights, strict=True):
                text = ", ".join(names)
                if len(column.points) == 1:
                    axes.annotate(text, (column.x, y), (0, -13), textcoords="offset points", ha="center", fontsize=7)
                    continue
                line = {"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.6}
                place = column.x + ASIDE, height
                axes.annotate(text, (column.x, y), place, va="center", fontsize=7, arrowprops=line)
    axes.margins(x=0.25)
    axes.set_xlabel("speed-up of the whole network")
    axes.set_ylabel("top-1 (%)")
    axes.set_title(name)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower left")  # "best" takes long to find
    _save(figure, path)


@dataclass(frozen=True)
class _Column:
    """Runs of one speed-up: top-1 (%) with the policies that lie there, from high to low."""

    x: float
    points: list[tuple[float, list[str]]]


def _columns(rows: list[dict[str, Any]]) -> list[_Column]:
    """The runs by speed-up."""
    found: dict[float, dict[float, list[str]]] = {}
    for row in rows:
        found.setdefault(round(row["speedup"], 2), {}).setdefault(100 * row["top1"], []).append(row["policy"])
    return [_Column(x, sorted(points.items(), reverse=True)) for x, points in found.items()]


def _spread(heights: list[float], gap: float) -> list[float]:
    """Heights from high to low, moved as little as keeps them a gap apart."""
    blocks: list[list[float]] = []  # of labels that touch: the sum of where their first would be, and their number
    for height in heights:
        blocks.append([height, 1])
        while len(blocks) > 1:
            (top, count), (next_top, more) = blocks[-2:]
            if top / count - count * gap >= next_top / more:
                break
            blocks[-2:] = [[top + next_top + more * count * gap, count + more]]
    return [total / count - place * gap for total, count in blocks for place in range(int(count))]


def draw_layers(name: str, layers: list[dict[str, Any]], path: Path) -> None:
    """Bars per layer: cycles, relative error, share of zero and of narrow activations.

    Parameters
    ----------
    name : str
    layers : list of dict
        The rows of `sim.int8.layers.rows`.
    path : Path
        A .png file.
    """
    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    cycles, error, operands = figure.subplots(3, 1, sharex=True)
    places = range(len(layers))
    cycles.bar(places, [row["cycles_exact"] for row in layers], color="#dddddd", label="one thread")
    cycles.bar(places, [row["cycles"] for row in layers], color=[COLOURS[row["threads"]] for row in layers])
    cycles.set_ylabel("cycles")
    cycles.legend(frameon=False, loc="upper right")
    error.bar(places, [100 * row["relative_error"] for row in layers], color=COLOURS[4])
    error.set_ylabel("relative error (%)")
    operands.bar(places, [100 * row["fits"] for row in layers], color="#56b4e9", label="fit in 4 bits")
    operands.bar(places, [100 * row["sparsity"] for row in layers], color="#0072b2", label="zero")
    operands.set_ylabel("activations (%)")
    operands.legend(frameon=False, loc="upper left")
    operands.set_xticks(places, ["x".join(map(str, row["shape"])) for row in layers], rotation=60, fontsize=7)
    figure.suptitle(name)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    write_together(path.parent, {path.name: content.getvalue()})
