# SPDX-License-Identifier: Apache-2.0
"""Pictures of cycle counts."""

import io
from pathlib import PurePath

import matplotlib
from matplotlib.figure import Figure

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.networks import NETWORKS

from .evaluate import CycleReport
from .speedups import SIZES, size_speedups, stage_speedups

FORMATS = ("png", "svg", "pdf")
MAX_HEIGHT = 300
"""Inches: the tallest picture that every format can hold."""

_COLOURS = {
    "conv": "tab:gray",
    "depthwise": "tab:red",
    "pointwise": "tab:blue",
    "fuse_row": "tab:green",
    "fuse_col": "tab:olive",
    "fc": "tab:purple",
    "gemm": "tab:blue",
}


def picture_format(name: str) -> str:
    """The format that the ending of a file name asks for; others than `FORMATS` are refused."""
    ending = PurePath(name).suffix.removeprefix(".").lower()
    if ending not in FORMATS:
        raise UserError(f"plot must end in {', '.join('.' + f for f in FORMATS)}, not {name!r}")
    return ending


def render(figure: Figure, form: str) -> bytes:
    """A figure as the content of a file. The same figure always gives the same bytes."""
    content = io.BytesIO()
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form, {})
    with matplotlib.rc_context({"svg.hashsalt": "sysmt"}):
        figure.savefig(content, format=form, metadata=undated)
    return content.getvalue()


def cycles_figure(report: CycleReport, title: str) -> Figure:
    """Cycles of every layer as bars, coloured by kind."""
    height = min(max(3, 0.16 * len(report.layers)), MAX_HEIGHT)
    figure = Figure(figsize=(10, height), layout="constrained")
    axes = figure.subplots()
    for kind in dict.fromkeys(row.layer.kind for row in report.layers):
        bars = [(i, row.cycles) for i, row in enumerate(report.layers) if row.layer.kind == kind]
        axes.barh(*zip(*bars, strict=True), color=_COLOURS[kind], label=kind)
    axes.set_yticks(range(len(report.layers)), [row.layer.name for row in report.layers], fontsize=6)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xlabel("cycles")
    axes.set_title(f"{title}: {report.total:,} cycles")
    axes.legend()
    return figure


def stages_figure(name: str, config: ArrayConfig) -> Figure:
    """Speed-up of every spatial stage of a network, by the published model and on our array."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    for axes, method in zip(figure.subplots(2, sharex=True), ("fuseconv", "rtl"), strict=True):
        for shift, variant in ((-0.2, "full"), (0.2, "half")):
            values = stage_speedups(name, variant, config, method)
            axes.bar([i + shift for i in range(len(values))], values, width=0.4, label=variant)
        axes.set_ylabel("speed-up over depthwise")
        axes.set_title(f"{name}, spatial stages, {config.rows}x{config.cols}, method {method}")
        axes.legend()
    axes.set_xticks(range(len(values)))
    axes.set_xlabel("block")
    return figure


def sizes_figure() -> Figure:
    """Speed-up of every network against the size of the array, by the published model and on our array."""
    figure = Figure(figsize=(10, 8), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True)
    for row, method in zip(grid, ("fuseconv", "rtl"), strict=True):
        for axes, variant in zip(row, ("full", "half"), strict=True):
            for name in NETWORKS:
                axes.plot(SIZES, size_speedups(name, variant, method), marker="o", label=name)
            axes.set_xscale("log", base=2)
            axes.set_xticks(SIZES, [f"{size}x{size}" for size in SIZES])
            axes.set_ylabel("speed-up over depthwise")
            axes.set_title(f"{variant}, method {method}")
    grid[0][0].legend(fontsize=8)
    return figure
