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
    """Energy over the size of the register file, a line per buffer, relative to the machine as it is."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for buffer in dict.fromkeys(second for _, second in found.energy):
        points = [(a, e / found.baseline) for (a, b), e in found.energy.items() if b == buffer and e is not None]
        axes.plot([a for a, _ in points], [e for _, e in points], marker="o", label=f"{buffer >> 10} KB buffer")
    axes.axhline(1, color="black", linewidth=0.8, linestyle="--", label=found.machine.name)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("register file of an element, bytes")
    axes.set_ylabel("energy, relative")
    axes.set_title(f"{title}: {found.gain:.2f} times less at {found.best[0]} B and {found.best[1] >> 10} KB")
    axes.legend()
    return figure
