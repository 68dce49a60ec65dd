# SPDX-License-Identifier: Apache-2.0
"""`sysmt fuseconv`: FuSeConv's speed-up table, published beside ours, with pictures per layer and per array size."""

import argparse
from pathlib import Path

from sysmt.base.files import build_root, write_together
from sysmt.cli.output import Handler, Result, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost.speedups import speedups

SIZE = 64


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the pictures go (default: the build folder)")


def _run(args: argparse.Namespace) -> Result:
    # matplotlib takes longer to load than everything else takes to run
    from sysmt.sim.cost.figures import render, sizes_figure, stages_figure

    config = ArrayConfig(rows=SIZE, cols=SIZE)
    rows = [row.as_dict() for row in speedups(config)]
    pictures: dict[str, str | bytes] = {
        "fuseconv_layers.png": render(stages_figure("mobilenet_v2", config), "png"),
        "fuseconv_sizes.png": render(sizes_figure(), "png"),
    }
    paths = [str(path) for path in write_together(args.out or build_root(), pictures)]
    heading = f"Speed-up over the depthwise baseline, {SIZE}x{SIZE}: published, the published model, our array"
    text = "\n".join([heading, "", table(rows), "", *paths])
    return Result(text, {"array": [SIZE, SIZE], "speedups": rows, "pictures": paths})


FUSECONV = Handler(_arguments, _run)
