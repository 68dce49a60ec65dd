# SPDX-License-Identifier: Apache-2.0
"""Charts as inline SVG: stacked bars and grouped bars, horizontal, with a legend that wraps."""

from collections.abc import Sequence
from html import escape

COLOURS = ("#1b4f8a", "#d9822b", "#3a8f5c", "#b23a48", "#7a5ba8", "#4aa3b8", "#8a7a5c", "#5c6470", "#c7b12f")
WIDTH, LABEL, BAR, GAP = 520, 92, 24, 12
CHARACTER = 7.2
"""Width of a character of the labels, about."""


def stacked(rows: Sequence[tuple[str, dict[str, float], str]], keys: Sequence[str]) -> str:
    """One bar per row, made of parts.

    Parameters
    ----------
    rows : sequence of (name, part to size, text at the end)
    keys : sequence of names
        The parts, in the order of their colours.
    """
    shown = [key for key in keys if any(parts.get(key) for _, parts, _ in rows)]
    most = max((sum(parts.values()) for _, parts, _ in rows), default=0) or 1
    room = WIDTH - LABEL - CHARACTER * max((len(text) for _, _, text in rows), default=0) - 12
    body, y = _legend(shown, [_colour(keys.index(key)) for key in shown])
    for name, parts, text in rows:
        body.append(_label(name, y))
        x = float(LABEL)
        whole = sum(parts.values())
        for key in shown:
            width = parts.get(key, 0.0) / most * room
            if width > 0:
                share = f"{key}: {100 * parts[key] / whole:.1f} %"
                body.append(_bar(x, y, width, _colour(keys.index(key)), share))
                x += width
        body.append(f'<text x="{x + 6:.1f}" y="{y + BAR / 2 + 4:.1f}">{escape(text)}</text>')
        y += BAR + GAP
    return _svg(body, y)


def grouped(groups: Sequence[tuple[str, Sequence[float]]], series: Sequence[str], unit: str) -> str:
    """A few bars per group, one for each of `series`; the value stands at its end."""
    most = max((value for _, values in groups for value in values), default=0) or 1
    room = WIDTH - LABEL - CHARACTER * (len(unit) + 6)
    body, y = _legend(series, [_colour(place) for place in range(len(series))])
    thin = 14
    for name, values in groups:
        body.append(f'<text class="name" x="0" y="{y + thin * len(values) / 2 + 4:.1f}">{escape(name)}</text>')
        for place, value in enumerate(values):
            width = max(value / most * room, 1)
            at = y + place * thin
            title = f"{series[place]}: {value:.4g} {unit}"
            body.append(_bar(LABEL, at, width, _colour(place), title, thin - 2))
            body.append(f'<text x="{LABEL + 6 + width:.1f}" y="{at + thin - 4}">{value:.3g} {escape(unit)}</text>')
        y += thin * len(values) + GAP
    return _svg(body, y)


def _svg(body: list[str], height: float) -> str:
    inside = "".join(body)
    return f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" xmlns="http://www.w3.org/2000/svg">{inside}</svg>'


def _bar(x: float, y: float, width: float, colour: str, title: str, height: float = BAR) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}"'
    return f'<rect {place} fill="{colour}"><title>{escape(title)}</title></rect>'


def _label(name: str, y: float) -> str:
    return f'<text class="name" x="0" y="{y + BAR / 2 + 4:.1f}">{escape(name)}</text>'


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]


def _legend(keys: Sequence[str], colours: Sequence[str]) -> tuple[list[str], float]:
    """The legend, and where the bars begin below it."""
    body, x, y = [], 0.0, 4.0
    for key, colour in zip(keys, colours, strict=True):
        width = 26 + CHARACTER * len(key)
        if x + width > WIDTH:
            x, y = 0.0, y + 20
        body.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="12" height="12" fill="{colour}"/>')
        body.append(f'<text x="{x + 17:.1f}" y="{y + 10.5:.1f}">{escape(key)}</text>')
        x += width
    return body, y + 28
