# SPDX-License-Identifier: Apache-2.0
"""The graph of a model as SVG that any browser shows: a row per step of the longest way from the inputs.

Layers after Sugiyama, Tagawa and Toda (IEEE SMC 1981): a line that skips rows gets a place in each of them, and the
places of a row are ordered by the mean of those above, then below. The same graph always gives the same text.
"""

from dataclasses import dataclass, field
from html import escape

from sysmt.sim.nn.graph import Graph
from sysmt.sim.nn.inspection import Inspection, OperatorFacts, size_of
from sysmt.sim.nn.simplify import simplify

ACROSS, DOWN, WIDTH, HEIGHT, LETTER = 190, 74, 160, 34, 8
"""Pixels: from place to place in a row, from row to row, of a box, and of a letter in it."""
SWEEPS = 4
FILLS = {"array": "#9fd3ea", "host": "#ffffff", "nowhere": "#f0a330", "end": "none"}
INK = "#1d232b"


@dataclass(eq=False)
class _Place:
    """A box, or where a line passes a row."""

    row: int
    label: str = ""
    kind: str = ""
    hint: str = ""
    above: list["_Place"] = field(default_factory=list)
    below: list["_Place"] = field(default_factory=list)
    x: float = 0.0


def svg(inspection: Inspection, graph: Graph) -> str:
    """The picture: operators on the array blue, those in the way orange, shapes at the lines."""
    boxes, lines = _boxes(inspection, simplify(graph))
    rows: dict[int, list[_Place]] = {}
    for place in boxes:
        rows.setdefault(place.row, []).append(place)
    drawn = []
    for source, target, _ in lines:
        way = [source, *(_Place(row) for row in range(source.row + 1, target.row)), target]
        for passing in way[1:-1]:
            rows[passing.row].append(passing)
        for one, next_one in zip(way, way[1:], strict=False):
            one.below.append(next_one)
            next_one.above.append(one)
        drawn.append(way)
    _arrange(rows)
    wide = max(len(row) for row in rows.values()) if rows else 1
    size = (wide * ACROSS + 20, (max(rows, default=0) + 1) * DOWN + 10)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" '
        f'height="{size[1]}" font-family="sans-serif" font-size="12" fill="{INK}">'
    ]
    parts += [_line(way) for way in drawn]
    parts += dict.fromkeys(
        f'<text x="{way[0].x + 4:g}" y="{way[0].row * DOWN + HEIGHT + 33}" font-size="10" '
        f'stroke="#fff" stroke-width="4" paint-order="stroke">{shape}</text>'
        for way, (_, _, shape) in zip(drawn, lines, strict=True)
    )
    parts += [_box(place) for place in boxes]
    return "\n".join([*parts, "</svg>", ""])


def _boxes(inspection: Inspection, graph: Graph) -> tuple[list[_Place], list[tuple[_Place, _Place, str]]]:
    """What is drawn: inputs, operators, outputs, and the lines between them with their shapes."""
    made = {index: _Place(0, f"input {i}", "end") for i, index in enumerate(graph.inputs)}
    boxes, lines = list(made.values()), []
    for node, facts in zip(graph.nodes, inspection.operators, strict=True):
        read = [index for index in dict.fromkeys(node.inputs) if index in made]
        row = 1 + max((made[index].row for index in read), default=0)
        box = _Place(row, node.kind, facts.runs_on, _hint(facts))
        boxes.append(box)
        lines += [(made[index], box, size_of(list(graph.tensors[index].shape))) for index in read]
        made |= dict.fromkeys(node.outputs, box)
    for i, index in enumerate(graph.outputs):
        if index in made:
            end = _Place(1 + made[index].row, f"output {i}", "end")
            boxes.append(end)
            lines.append((made[index], end, size_of(list(graph.tensors[index].shape))))
    return boxes, lines


def _hint(facts: OperatorFacts) -> str:
    """What the browser shows over a box."""
    work = f", {facts.weights} weights, {facts.macs} multiply-accumulates" if facts.macs or facts.weights else ""
    return f"{facts.index}: {facts.name}{work}" + (f"; {facts.obstacle}" if facts.obstacle else "")


def _arrange(rows: dict[int, list[_Place]]) -> None:
    """Order the places of every row, and give them their x."""
    wide = max((len(row) for row in rows.values()), default=1)

    def spread(row: list[_Place]) -> None:
        for i, place in enumerate(row):
            place.x = 10 + (i + 0.5 + (wide - len(row)) / 2) * ACROSS

    for number in sorted(rows):
        spread(rows[number])
    for sweep in range(SWEEPS):
        for number in sorted(rows, reverse=bool(sweep % 2)):
            row = rows[number]

            def middle(place: _Place, upwards: bool = bool(sweep % 2)) -> float:
                others = place.below if upwards else place.above
                return sum(other.x for other in others) / len(others) if others else place.x

            row.sort(key=middle)
            spread(row)


def _line(way: list[_Place]) -> str:
    """A curve through the rows."""
    here = (way[0].x, way[0].row * DOWN + 5 + HEIGHT)
    text = f"M{here[0]:g} {here[1]}"
    for place in way[1:]:
        top = place.row * DOWN + 5
        half = (here[1] + top) / 2
        text += f" C{here[0]:g} {half:g} {place.x:g} {half:g} {place.x:g} {top}"
        here = (place.x, top + HEIGHT)
        if place is not way[-1]:
            text += f" L{here[0]:g} {here[1]}"
    return f'<path d="{text}" fill="none" stroke="{INK}"/>'


def _box(place: _Place) -> str:
    x, y = place.x - WIDTH / 2, place.row * DOWN + 5
    round_off = 0 if place.kind == "array" else HEIGHT // 2
    stroke = "none" if place.kind == "end" else INK
    label = place.label if len(place.label) * LETTER <= WIDTH else f"{place.label[: WIDTH // LETTER - 1]}…"
    return (
        f'<g><title>{escape(place.hint or place.label)}</title><rect x="{x:g}" y="{y}" width="{WIDTH}" '
        f'height="{HEIGHT}" rx="{round_off}" fill="{FILLS[place.kind]}" stroke="{stroke}"/>'
        f'<text x="{place.x:g}" y="{y + HEIGHT / 2 + 4:g}" text-anchor="middle">{escape(label)}</text></g>'
    )
