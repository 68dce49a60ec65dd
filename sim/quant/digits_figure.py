# SPDX-License-Identifier: Apache-2.0
"""One picture of the demonstration: utilisation, accuracy and deviation per policy and thread count."""

import io
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sysmt.base.files import write_together
from sysmt.hdl.params.pe import THREADS
from sysmt.hdl.params.policy import POLICIES

from .digits import PolicyResult

COLOURS = {1: "#777777", 2: "#0072b2", 4: "#d55e00"}
"""Per thread count; told apart by colour-blind readers too (Okabe and Ito)."""


def draw(results: list[PolicyResult], images: int, path: Path) -> None:
    """Draw what `sysmt.sim.quant.digits.sweep` yielded.

    Parameters
    ----------
    results : list of PolicyResult
    images : int
        Number of test images, for the title.
    path : Path
        A .png file; its folder must exist. Written as a whole or not at all.
    """
    figure = Figure(figsize=(13, 4), layout="constrained")
    FigureCanvasAgg(figure)
    utilisation, accuracy, deviation = figure.subplots(1, 3)
    _points(utilisation, results, "utilisation")
    utilisation.set_title("PE steps with work to do (%)")
    utilisation.set_ylim(0, 100)
    _points(accuracy, results, "accuracy")
    accuracy.set_title(f"Accuracy, {images} test images (%)", pad=12)
    # Two points of air below: a single image more or less must not look like a cliff.
    accuracy.set_ylim(min(100 * result.accuracy for result in results) - 2, 100)
    _points(deviation, results, "score_error")
    deviation.set_title("Deviation of the scores from exact (RMS, %)")
    deviation.set_ylim(bottom=0)
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(THREADS), frameon=False)
    figure.suptitle("NB-SMT on the handwritten digits")
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    write_together(path.parent, {path.name: content.getvalue()})


def _points(axes: Axes, results: list[PolicyResult], name: str) -> None:
    """One field per policy: a line for the exact thread, a point for each of the others."""
    for threads in THREADS:
        values = {r.policy: 100 * getattr(r, name) for r in results if r.threads == threads}
        colour = COLOURS[threads]
        if threads == 1:
            for value in values.values():
                axes.axhline(value, color=colour, linestyle="--", label="1 thread (exact)")
            continue
        positions = [list(POLICIES).index(policy) + (-0.12 if threads == 2 else 0.12) for policy in values]
        shape, label = "os"[threads == 4], f"{threads} threads"
        axes.plot(positions, list(values.values()), shape, color=colour, label=label, clip_on=False)  # whole at 100 %
    axes.set_xticks(range(len(POLICIES)), POLICIES, rotation=45)
    axes.set_xlabel("policy")
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
