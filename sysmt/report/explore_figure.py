# SPDX-License-Identifier: Apache-2.0
"""An exploration as a picture: all points, and the front."""

from matplotlib.figure import Figure

from sysmt.sim.cost.figures import render
from sysmt.sim.explore.points import against, value_of
from sysmt.sim.explore.result import Exploration, latency_unit

UNITS = {"energy": "uJ", "traffic": "bytes"}


def explore_picture(found: Exploration, form: str) -> bytes:
    """The picture, of the format `form`."""
    figure = Figure(figsize=(8, 5), layout="constrained", dpi=110)
    axes = figure.subplots()
    y = against(found.request.objective)
    series: dict[str, list[tuple[float, float]]] = {}
    for point in found.points:
        name = f"{point.config.pe.kind}, {point.config.pe.threads} thread{'s' * (point.config.pe.threads > 1)}"
        series.setdefault(name, []).append((point.area, value_of(y, point)))
    for name in sorted(series):
        x, y_values = zip(*series[name], strict=True)
        axes.scatter(x, y_values, s=6, alpha=0.5, linewidths=0, label=name, rasterized=True)
    front = [(found.points[i].area, value_of(y, found.points[i])) for i in found.front]
    axes.step(*zip(*front, strict=True), where="post", color="black", linewidth=1, label="front")
    axes.set_xscale("log")
    axes.set_yscale("log")
    target = found.request.target
    axes.set_xlabel(f"area, {target.unit}")
    axes.set_ylabel(f"{y}, {UNITS.get(y) or latency_unit(found.points)}")
    axes.set_title(f"{', '.join(w.name for w in found.request.workloads)} on {target.name}", fontsize=10)
    axes.legend(fontsize=8, frameon=False, markerscale=2)
    axes.grid(alpha=0.3)
    return render(figure, form)
