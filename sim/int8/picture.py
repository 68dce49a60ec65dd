# SPDX-License-Identifier: Apache-2.0
"""Pictures of what NB-SMT does to a network: accuracy against speed-up over policies, and bars per layer."""

import io
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from hdl.files import write_together

COLOURS = {1: "#777777", 2: "#0072b2", 4: "#d55e00"}
"""Per thread count; told apart by colour-blind readers too (Okabe and Ito)."""


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
    axes.axhline(100 * rows[0]["top1_exact"], color=COLOURS[1], linestyle="--", label="exact")
    for threads in sorted({row["threads"] for row in rows}):
        mine = [row for row in rows if row["threads"] == threads]
        places = [row["speedup"] for row in mine], [100 * row["top1"] for row in mine]
        axes.plot(*places, "os"[threads == 4], color=COLOURS[threads], label=f"{threads} threads")
        for (x, y), names in _labels(mine).items():
            axes.annotate(", ".join(names), (x, y), textcoords="offset points", xytext=(6, -3), fontsize=8)
    axes.margins(x=0.2)
    axes.set_xlabel("speed-up of the whole network")
    axes.set_ylabel("top-1 (%)")
    axes.set_title(name)
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    _save(figure, path)


def _labels(rows: list[dict[str, Any]]) -> dict[tuple[float, float], list[str]]:
    """The runs of every point: those that lie on one another share a line of text."""
    found: dict[tuple[float, float], list[str]] = {}
    for row in rows:
        found.setdefault((round(row["speedup"], 3), 100 * row["top1"]), []).append(row["policy"])
    return found


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
    cycles.legend(frameon=False)
    error.bar(places, [100 * row["relative_error"] for row in layers], color=COLOURS[4])
    error.set_ylabel("relative error (%)")
    operands.bar(places, [100 * row["fits"] for row in layers], color="#56b4e9", label="fit in 4 bits")
    operands.bar(places, [100 * row["sparsity"] for row in layers], color="#0072b2", label="zero")
    operands.set_ylabel("activations (%)")
    operands.legend(frameon=False)
    operands.set_xticks(places, ["x".join(map(str, row["shape"])) for row in layers], rotation=60, fontsize=7)
    figure.suptitle(name)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    write_together(path.parent, {path.name: content.getvalue()})
