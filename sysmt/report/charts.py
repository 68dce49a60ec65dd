# SPDX-License-Identifier: Apache-2.0
"""Charts as SVG to be placed inside an HTML page, drawn by matplotlib: stacked and grouped bars, and a timeline.

The same values always give the same text. Text stays text, so it can be searched and read aloud.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from itertools import cycle, islice
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch

COLOURS = (
    *("#12436d", "#f0a330", "#2b7f5c", "#9fd3ea", "#a4243b", "#cdb7e6", "#59626e", "#f2de7a", "#6a4c93", "#b9d39a"),
)
"""Dark and light in turn: neighbours in a bar differ in print without colours too."""
INK = "#1d232b"
WIDTH, BAR, GAP, LEGEND, LETTER = 380, 24, 10, 17, 5
"""Points: width of a chart, height of a bar and of the space after it, of a line of the legend, one of its letters."""
WIDE, LANE, MARK = 760, 46, 16
"""Points: width of a timeline, height of a lane, and the least distance between names of marks."""
ROOM = 1.3
"""Length of the axis against the longest bar: the text at its end stands in the rest."""
LABELLED, SHARE, NAMED = 0.095, 24, 6.5
"""A part is labelled with its share where it is no shorter than this part of the longest bar, and than the label.
Points: length of a label, and of a letter of the names beside the bars."""
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "sysmt",
    "svg.fonttype": "none",
    "font.size": 10,
    "text.color": INK,
    "text.parse_math": False,
    "ytick.labelcolor": INK,
}


def stacked(
    label: str,
    rows: Sequence[tuple[str, dict[str, float], str]],
    keys: Sequence[str],
    colours: Sequence[str] = COLOURS,
) -> str:
    """One bar per row, made of parts; a part that is long enough is labelled with its share of the bar.

    Parameters
    ----------
    label : str
        What the chart shows, for readers who do not see it.
    rows : sequence of (name, part to size, text at the end)
    keys : sequence of names
        The parts, in the order of their colours.
    colours : sequence of colours
        From the first on again where there are more parts.
    """
    most = max((sum(parts.values()) for _, parts, _ in rows), default=0) or 1
    of = dict(zip(keys, cycle(colours), strict=False))
    bars = WIDTH - NAMED * max((len(name) for name, _, _ in rows), default=0)
    labelled = most * max(LABELLED, ROOM * SHARE / max(bars, SHARE))
    shown = {key: of[key] for key in keys if any(parts.get(key) for _, parts, _ in rows)}
    with _chart(shown, (BAR + GAP) * len(rows)) as (figure, axes):
        for place, (_, parts, text) in enumerate(rows):
            left, whole = 0.0, sum(parts.values())
            for key, colour in shown.items():
                size = parts.get(key, 0.0)
                if size > 0:
                    _bar(axes, place, size, colour, BAR / (BAR + GAP), left)
                if size >= labelled:
                    middle = left + size / 2
                    ink = "white" if _dark(colour) else INK
                    axes.text(middle, place, f"{100 * size / whole:.0f} %", color=ink, size=9, ha="center", va="center")
                left += size
            _end(axes, place, left, text)
        _names(axes, [name for name, _, _ in rows], most)
        return svg(figure, label)


def grouped(label: str, groups: Sequence[tuple[str, Sequence[float]]], series: Sequence[str], unit: str) -> str:
    """A bar per group for each of `series`, with its value at its end.

    Parameters
    ----------
    label : str
        What the chart shows, for readers who do not see it.
    groups : sequence of (name, values)
        As many values as `series`.
    series : sequence of names
    unit : str
        Follows every value.
    """
    most = max((value for _, values in groups for value in values), default=0) or 1
    colours = tuple(islice(cycle(COLOURS), len(series)))
    thin = 16
    high = 1 / (len(series) + GAP / thin)
    with _chart(dict(zip(series, colours, strict=True)), (thin * len(series) + GAP) * len(groups)) as (figure, axes):
        for place, (_, values) in enumerate(groups):
            for i, (value, colour) in enumerate(zip(values, colours, strict=True)):
                at = place + (i - (len(series) - 1) / 2) * high
                _bar(axes, at, value, colour, 0.88 * high)
                _end(axes, at, value, f"{value:.3g} {unit}")
        _names(axes, [name for name, _ in groups], most)
        return svg(figure, label)


def timeline(
    label: str,
    lanes: dict[str, dict[str, Sequence[float]]],
    colours: dict[str, str],
    length: float,
    marks: Sequence[tuple[float, str]],
) -> str:
    """A lane per unit over time; at every moment it is filled with what the unit does, by its share.

    Parameters
    ----------
    label : str
        What the chart shows, for readers who do not see it.
    lanes : dict of unit to dict of activity to shares
        As many shares as there are spans of time, all equally long.
    colours : dict of activity to colour
        Activities are stacked in this order.
    length : float
        Of the whole time, in the unit of `marks`.
    marks : sequence of (time, name)
        What begins when: a line across the lanes, and its name above where there is room for it.
    """
    legend = {key: colour for key, colour in colours.items() if any(any(lane.get(key, ())) for lane in lanes.values())}
    with _chart(legend, LANE * len(lanes) + 2 * LEGEND, WIDE) as (figure, axes):
        for place, lane in enumerate(lanes.values()):
            base = np.zeros(max((len(shares) for shares in lane.values()), default=0))
            edges = np.linspace(0, length, len(base) + 1)
            for key, colour in legend.items():
                shares = np.asarray(lane.get(key, np.zeros(len(base))))
                if shares.any():
                    # Upwards on an axis that points down.
                    low = place + 0.42 - 0.84 * base
                    high = np.where(shares > 0, low - 0.84 * shares, np.nan)  # Nothing is drawn where there is none.
                    axes.stairs(high, edges, baseline=low, fill=True, color=colour, linewidth=0, clip_on=False)
                base = base + shares
        named = -length
        for time, name in marks:
            axes.axvline(time, color=INK, linewidth=0.5, alpha=0.5, clip_on=False)
            if time - named >= length * MARK / WIDE:
                axes.annotate(name, (time, -0.5), (2, 2), textcoords="offset points", size=8)
                named = time
        axes.set_yticks(range(len(lanes)), list(lanes), weight="bold")
        axes.set_ylim(len(lanes) - 0.5, -0.5)
        axes.set_xlim(0, length)
        axes.xaxis.set_visible(True)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.tick_params(length=0)
        return svg(figure, label)


@contextmanager
def _chart(legend: dict[str, str], height: float, width: float = WIDTH) -> Iterator[tuple[Figure, Axes]]:
    """A figure whose bars take `height` points, below a legend of names and colours, and its axes."""
    longest = max(map(len, legend), default=0)
    columns = max(1, min(4, len(legend), int(width / (LETTER * longest + 2 * LEGEND))))
    lines = -(-len(legend) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width / 72, (height + LEGEND * lines + 12) / 72), layout="constrained")
        FigureCanvasSVG(figure)
        figure.patch.set_visible(False)
        axes = figure.subplots()
        axes.set_frame_on(False)
        axes.xaxis.set_visible(False)
        handles = [Patch(color=colour, label=name) for name, colour in legend.items()]
        spacing = {
            "handlelength": 1.0,
            "handletextpad": 0.5,
            "columnspacing": 1.4,
            "borderpad": 0.1,
            "borderaxespad": 0.1,
        }
        figure.legend(handles=handles, loc="outside upper left", ncols=columns, frameon=False, **spacing)
        yield figure, axes


def _bar(axes: Axes, at: float, length: float, colour: str, height: float, left: float = 0.0) -> None:
    axes.barh(at, length, height, left, color=colour, edgecolor="white", linewidth=0.6, clip_on=False)


def _end(axes: Axes, at: float, length: float, text: str) -> None:
    axes.annotate(text, (length, at), (4, 0), textcoords="offset points", va="center", annotation_clip=False)


def _names(axes: Axes, names: Sequence[str], most: float) -> None:
    """Names beside the rows, the first row on top."""
    axes.set_yticks(range(len(names)), names, weight="bold")
    axes.tick_params(length=0)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(0, ROOM * most)


def _dark(colour: str) -> bool:
    red, green, blue = to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue < 0.55


def svg(figure: Figure, label: str) -> str:
    """The figure as an element of a page: no identifiers, which several charts would share, and no style of its own."""
    content = io.StringIO()
    figure.savefig(content, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = content.getvalue()
    found = re.search(r'<svg [^>]*viewBox="([^"]*)"[^>]*>(.*)', text, re.DOTALL)
    assert found is not None, "matplotlib writes an svg element with a viewBox"
    body = re.sub(r"\s*<defs>.*?</defs>|\s*<!--.*?-->| id=\"[^\"]*\"", "", found[2], flags=re.DOTALL)
    return f'<svg viewBox="{found[1]}" role="img" aria-label="{escape(label)}">{body.rstrip()}'
