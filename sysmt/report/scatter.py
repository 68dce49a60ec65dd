# SPDX-License-Identifier: Apache-2.0
"""A picture of points in several series, with a line along those that no other point beats, as SVG or PNG."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .charts import COLOURS, INK, STYLE, svg

MARKS = "●■▲◆▼★"
LINEAR, TICKS = 2, (-20, -10, -5, -3, -2, -1, -0.5, 0, 0.5, 1, 2)
"""The vertical axis: points up to which it is linear, and where its lines are."""
PANEL = (500, 380)
"""Points: width and height of one diagram."""


@dataclass(frozen=True)
class Point:
    """A place in a diagram.

    Parameters
    ----------
    x, y : float
    series : str
        Colour and mark.
    name : str
        Written beside the point where it is on the front, else its number.
    number : int
    front : bool
    """

    x: float
    y: float
    series: str
    name: str
    number: int
    front: bool


@dataclass(frozen=True)
class Diagram:
    """Points, and what the axes are."""

    points: Sequence[Point]
    x: str
    y: str


def as_svg(label: str, diagrams: Sequence[Diagram]) -> str:
    """The diagrams side by side, as an element of a page."""
    with _drawn(diagrams) as figure:
        FigureCanvasSVG(figure)
        return svg(figure, label)


def as_png(diagrams: Sequence[Diagram]) -> bytes:
    """The diagrams side by side."""
    content = io.BytesIO()
    with _drawn(diagrams) as figure:
        FigureCanvasAgg(figure)
        figure.patch.set_visible(True)
        figure.savefig(content, format="png", dpi=144, metadata={"Software": None})
    return content.getvalue()


@contextmanager
def _drawn(diagrams: Sequence[Diagram]) -> Iterator[Figure]:
    series = list(dict.fromkeys(point.series for diagram in diagrams for point in diagram.points))
    size = PANEL[0] * len(diagrams) / 72, PANEL[1] / 72
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_visible(False)
        panels = figure.subplots(1, len(diagrams), squeeze=False)[0]
        for axes, diagram in zip(panels, diagrams, strict=True):
            _fill(axes, diagram, series)
        handles = [Patch(color=COLOURS[i % len(COLOURS)], label=name) for i, name in enumerate(series)]
        figure.legend(handles=handles, loc="outside upper left", ncols=4, frameon=False)
        yield figure


def _fill(axes: Axes, diagram: Diagram, series: Sequence[str]) -> None:
    points = diagram.points
    front = sorted((point for point in points if point.front), key=lambda point: (point.x, -point.y))
    # Marks are letters, and nothing is clipped: a page needs no definitions that its drawings refer to.
    axes.plot([p.x for p in points], [p.y for p in points], linestyle="none")
    axes.plot([p.x for p in front], [p.y for p in front], color=INK, linewidth=0.8, linestyle="--", clip_on=False)
    for point in points:
        i = series.index(point.series)
        mark, colour = MARKS[i % len(MARKS)], COLOURS[i % len(COLOURS)]
        axes.text(point.x, point.y, mark, color=colour, size=9, ha="center", va="center")
        text, weight = (point.name, "bold") if point.front else (str(point.number), "normal")
        size = 8 if point.front else 7
        axes.annotate(text, (point.x, point.y), (4, 4), textcoords="offset points", size=size, weight=weight, color=INK)
    axes.margins(x=0.14)
    lowest, highest = (edge(point.y for point in points) for edge in (min, max))
    # Small losses apart, large ones close together.
    axes.set_yscale("symlog", linthresh=LINEAR)
    axes.set_ylim(1.3 * min(lowest, -1), max(1.3 * highest, 0.5))
    axes.set_yticks([y for y in TICKS if lowest <= y <= max(highest, 0)], minor=False)
    axes.set_yticks([], minor=True)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel(diagram.x)
    axes.set_ylabel(diagram.y)
    axes.grid(alpha=0.3, clip_on=False)
    axes.tick_params(length=0)
    axes.spines[["top", "right"]].set_visible(False)
