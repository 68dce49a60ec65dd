# SPDX-License-Identifier: Apache-2.0
"""Pictures of schedules: energy per layer and level, and the roofline."""

from matplotlib.figure import Figure

from .network import NetworkSchedule
from .sizing import Sizing

MAX_HEIGHT = 300


def schedule_figure(found: NetworkSchedule, title: str) -> Figure:
    """Energy of every layer by level as bars, beside it every layer under the roofline of array and outermost level."""
    height = min(max(4, 0.16 * len(found.layers)), MAX_HEIGHT)
    figure = Figure(figsize=(14, height), layout="constrained")
    bars, roofline = figure.subplots(1, 2, width_ratios=(2, 1))
    start = [0.0] * len(found.layers)
    for at, name in enumerate(found.levels):
        part = [row.count * row.best.levels[at] for row in found.layers]
        bars.barh(range(len(part)), part, left=start, label=name)
        start = [a + b for a, b in zip(start, part, strict=True)]
    bars.set_yticks(range(len(found.layers)), [row.layer.name for row in found.layers], fontsize=6)
    bars.invert_yaxis()
    bars.margins(y=0.01)
    bars.set_xlabel("energy")
    bars.set_title(f"{title}: {found.energy:.4g}")
    bars.legend()
    machine = found.machine
    reached = [row.best.nest.macs / row.best.cycles for row in found.layers]
    intensity = [row.intensity for row in found.layers]
    roofline.scatter(intensity, reached, s=12, label="layers")
    ends = [min(intensity) / 2, max(intensity) * 2]
    bandwidth = machine.levels[-1].bandwidth
    peak = machine.macs_per_cycle
    knee = [peak / bandwidth] if bandwidth and ends[0] < peak / bandwidth < ends[1] else []
    points = [ends[0], *knee, ends[1]]
    roofline.plot(
        points, [min(peak, x * bandwidth) if bandwidth else peak for x in points], color="black", label="roof"
    )
    roofline.set_xscale("log")
    roofline.set_yscale("log")
    roofline.set_xlabel(f"multiply-accumulates per byte of {machine.levels[-1].name}")
    roofline.set_ylabel("multiply-accumulates per cycle")
    roofline.set_title(f"{machine.name}, {machine.rows}x{machine.cols}")
    roofline.legend()
    return figure


def sizing_figure(found: Sizing, title: str) -> Figure:
    """Energy over the register files, a line per buffer, relative to the machine as it is.

    On the left elements with one file, on the right those with a small one before a larger.
    """
    figure = Figure(figsize=(12, 5), layout="constrained")
    for axes, files in zip(figure.subplots(1, 2, sharey=True), (1, 2), strict=True):
        sizes = [s for s in dict.fromkeys(registers for registers, _ in found.points) if len(s) == files]
        for buffer in dict.fromkeys(size for _, size in found.points):
            energy = [(at, found.points[s, buffer]) for at, s in enumerate(sizes)]
            line = [(at, f.energy / found.baseline.energy) for at, f in energy if f is not None]
            axes.plot([at for at, _ in line], [e for _, e in line], marker="o", label=f"{buffer >> 10} KB buffer")
        axes.axhline(1, color="black", linewidth=0.8, linestyle="--", label=found.machine.name)
        axes.set_xticks(range(len(sizes)), [" + ".join(map(str, s)) for s in sizes], fontsize=7)
        axes.set_xlabel("register files of an element, bytes")
        if any(f is not None for (s, _), f in found.points.items() if len(s) == files):
            axes.set_title(f"{title}: {found.gain(files):.2f} times less")
    axes.legend()
    figure.axes[0].set_ylabel("energy, relative")
    return figure
