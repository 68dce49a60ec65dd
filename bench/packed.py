# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.packed`: narrow lanes shared by groups of more than two activations: what they gain at most.

A group of activations along K has as many lanes of 2, 3 or 4 bits times 8. The n of them that are not zero get an
equal number of lanes each, and so a window of that many bits: with one lane SPARQ's, with more at any place. SPARQ's
pairs are groups of two. Top-1 of ResNet-8 on 500 test inputs, all layers but the first and the last so, nothing
prepared. Area is that of the PE of four such lanes in two pairs, as `bench kinds` recorded it, whose routing is less
than groups need: a bound.
"""

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.hdl.params.kinds.sparq import WINDOWS, Window
from sysmt.hdl.params.pe import X_WIDTH, PEConfig
from sysmt.report.kinds import JUDGED, gather_kinds
from sysmt.report.markdown import table
from sysmt.sim.golden.product import Product
from sysmt.sim.golden.sparq import trimmed
from sysmt.sim.nn.batches import run as answers_of
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan, threaded_plan

from . import record
from .accuracy import models
from .command import run

LANES = 4
PAIRS = {2: "7opt", 3: "6opt", 4: "3opt"}
"""The pairs of as many bits a lane whose silicon is compared with."""
PLANS = ((2, 2), (2, 4), (3, 2), (3, 3), (3, 4), (4, 2), (4, 4))
"""Bits of a lane, and activations of a group."""


def packed(x: np.ndarray, bits: int, group: int) -> np.ndarray:
    """What is multiplied in place of activations uint8 [M, K], groups of neighbours along K, lanes of so many bits."""
    m, k = x.shape
    padded = np.pad(x, ((0, 0), (0, -k % group))).reshape(m, -1, group)
    live = np.count_nonzero(padded, axis=2)
    found = padded.copy()
    for count in range(1, group + 1):
        lanes = group // count
        width = min(bits * lanes, X_WIDTH)
        window = WINDOWS[PAIRS[bits]] if lanes == 1 else Window(width, tuple(range(X_WIDTH - width + 1)))
        at = live == count
        found[at] = trimmed(window, "round")[padded[at]]
    return found.reshape(m, -1)[:, :k]


class Packed(Golden):
    """Exact products of what is left of the activations, on more than one thread."""

    def __init__(self, bits: int, group: int) -> None:
        super().__init__(PEConfig(), counting=False)
        self.bits, self.group = bits, group

    def product(self, x: np.ndarray, w: np.ndarray, threads: int, zero: int = 0) -> Product:
        """As `Golden.product`."""
        return super().product(packed(x, self.bits, self.group) if threads > 1 else x, w, 1, zero)


def areas() -> dict[int, float]:
    """Area of a PE of `LANES` lanes in pairs to one of one thread, by the bits of a lane."""
    um2 = {row["with"]: row["um2"] for row in gather_kinds()["rows"]}
    one = next(iter(um2.values()))
    found = {bits: um2[f"window={window} pairs={LANES // 2}"] for bits, window in PAIRS.items()}
    return {bits: area / one for bits, area in found.items()}


def points() -> Iterator[tuple[int, int, float]]:
    """Bits, group, and points of top-1 to the exact network."""
    subject = next(s for s in models(data_folder() / "data") if s.name == JUDGED)
    model = subject.model.optimised().network
    values = np.concatenate([tested.values for _, tested in subject.folds])
    labels = np.concatenate([tested.labels for _, tested in subject.folds if tested.labels is not None])

    def top1(engine: Golden, threads: int) -> float:
        plan = exact_plan(model) if threads == 1 else threaded_plan(model, threads)
        outputs = answers_of(Runner(network=model, engine=engine, plan=plan), values)
        return float(np.mean(outputs.reshape(len(outputs), -1).argmax(axis=1) == labels))

    exact = top1(Golden(PEConfig(), counting=False), 1)
    for bits, group in PLANS:
        progress(f"{JUDGED} with {bits} bits a lane, groups of {group}")
        yield bits, group, round(100 * (top1(Packed(bits, group), 2) - exact), 6)


def measure() -> list[dict[str, Any]]:
    """A row per width of a lane and size of a group."""
    area = areas()
    return [
        {"bits": bits, "group": group, "points": change, "area": area[bits], "at most": LANES / area[bits]}
        for bits, group, change in points()
    ]


def markdown() -> str:
    """The table of docs/figures.md, from the record."""
    rows: list[dict[str, Any]] = []
    for figure in record.load().get("packed", []):
        row = next((r for r in rows if figure.key.items() <= r.items()), None)
        if row is None:
            rows.append(row := dict(figure.key))
        row[figure.column] = figure.value
    if not rows:
        raise UserError("packed must be recorded first: python -m bench packed --record")
    head = ["bits", "group", "points", "area", "at most"]
    formats = {"points": "+.1f", "area": ".3f", "at most": ".2f"}
    return table(head, [[format(row[name], formats.get(name, "")) for name in head] for row in rows])


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.packed", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
