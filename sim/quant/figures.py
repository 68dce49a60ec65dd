# SPDX-License-Identifier: Apache-2.0
"""Pictures of what NB-SMT does to a network: accuracy against speed-up over policies, and bars per layer."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sysmt.base.files import write_together

COLOURS = {1: "#777777", 2: "#0072b2", 4: "#d55e00"}
"""Per thread count; told apart by colour-blind readers too (Okabe and Ito)."""
LINE = 0.035
"""Height of a line of text, as a share of the range of the axis."""
NEAR = 0.1
"""Points no further apart than this share of the range of speed-ups are one column of labels."""


def draw_policies(name: str, rows: list[dict[str, Any]], path: Path) -> None:
    """One point per run.

    Parameters
    ----------
    name : str
        The network, for the title.
    rows : list of dict
        `threads`, `policy`, `top1`, `top1_exact` (fractions of 1, of the same inputs), `speedup`.
    path : Path
        A .png file.
    """
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    points = [_Point(row["speedup"], 100 * (row["top1"] - row["top1_exact"]), row) for row in rows]
    axes.axhline(0, color=COLOURS[1], linestyle="--", label="exact")
    for threads in sorted({row["threads"] for row in rows}):
        series = [point for point in points if point.row["threads"] == threads]
        x, y = [point.x for point in series], [point.y for point in series]
        axes.plot(x, y, "os"[threads == 4], color=COLOURS[threads], label=f"{threads} threads")
    low, high = (f(point.x for point in points) for f in (min, max))
    reach = (high - low) or 1.0
    axes.set_xlim(low - 0.7 * reach, high + 0.7 * reach)  # room for labels on both sides
    heights = [0.0, *(point.y for point in points)]
    gap = LINE * ((max(heights) - min(heights)) or 1.0)
    for column in _columns(points, NEAR * reach):
        _label(axes, column, gap, low < high and min(point.x for point in column) == low, 0.06 * reach)
    axes.set_xlabel("speed-up of the whole network")
    axes.set_ylabel("top-1 against exact (points)")
    exact = ", ".join(dict.fromkeys(f"{100 * row['top1_exact']:.1f} %" for row in rows))
    axes.set_title(f"{name}: top-1 against speed-up (exact: {exact})")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower center")  # "best" takes long to find
    _save(figure, path)


@dataclass(frozen=True)
class _Point:
    """A run: speed-up, points of top-1 against exact, and its row."""

    x: float
    y: float
    row: dict[str, Any]


def _columns(points: list[_Point], near: float) -> list[list[_Point]]:
    """The points by speed-up: those that stand close together, each from high to low."""
    columns: list[list[_Point]] = []
    for point in sorted(points, key=lambda point: point.x):
        if columns and point.x - columns[-1][-1].x <= near:
            columns[-1].append(point)
        else:
            columns.append([point])
    return [sorted(column, key=lambda point: -point.y) for column in columns]


def _label(axes: Axes, column: list[_Point], gap: float, left: bool, aside: float) -> None:
    """Names of policies beside a column of points, in the colour of their threads, none above another."""
    texts: dict[tuple[float, int], list[_Point]] = {}
    for point in column:
        texts.setdefault((point.y, point.row["threads"]), []).append(point)
    for ((_, threads), same), height in zip(texts.items(), _spread([y for y, _ in texts], gap), strict=True):
        edge = min(point.x for point in column) - aside if left else max(point.x for point in column) + aside
        axes.annotate(
            ", ".join(point.row["policy"] for point in same),
            (same[0].x, same[0].y),
            (edge, height),
            ha="right" if left else "left",
            va="center",
            fontsize=7,
            color=COLOURS[threads],
            arrowprops={"arrowstyle": "-", "color": "#bbbbbb", "linewidth": 0.6},
        )


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
    return [total / count - line * gap for total, count in blocks for line in range(int(count))]


def draw_layers(name: str, layers: list[dict[str, Any]], path: Path) -> None:
    """Bars per layer: cycles, relative error, share of zero and of narrow activations.

    Parameters
    ----------
    name : str
    layers : list of dict
        The rows of `sysmt.sim.quant.layer_stats.rows`.
    path : Path
        A .png file.
    """
    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    cycles, error, operands = figure.subplots(3, 1, sharex=True)
    positions = range(len(layers))
    cycles.bar(positions, [row["cycles_exact"] for row in layers], color="#dddddd", label="one thread")
    cycles.bar(positions, [row["cycles"] for row in layers], color=[COLOURS[row["threads"]] for row in layers])
    cycles.set_ylabel("cycles")
    cycles.legend(frameon=False, loc="upper right")
    error.bar(positions, [100 * row["relative_error"] for row in layers], color=COLOURS[4])
    error.set_ylabel("relative error (%)")
    operands.bar(positions, [100 * row["fits"] for row in layers], color="#56b4e9", label="fit in 4 bits")
    operands.bar(positions, [100 * row["sparsity"] for row in layers], color="#0072b2", label="zero")
    operands.set_ylabel("activations (%)")
    operands.legend(frameon=False, loc="upper left")
    operands.set_xticks(positions, ["x".join(map(str, row["shape"])) for row in layers], rotation=60, fontsize=7)
    figure.suptitle(name)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    write_together(path.parent, {path.name: content.getvalue()})
