# SPDX-License-Identifier: Apache-2.0
"""`sysmt conv1d`: one FuSe stage (depthwise 1-D convolution) on the golden model or on the simulated Verilog."""

import argparse
import io
from dataclasses import asdict
from typing import Any

import numpy as np

from sysmt.base.files import write_together
from sysmt.cli.arguments import add_array, array, output_file
from sysmt.cli.output import Handler, Result, progress
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.checks import one_of
from sysmt.sim.cost.array import fuse_cycles
from sysmt.sim.golden.conv1d import ConvRows, convolve_rows, image_of_rows, rows_of_image
from sysmt.sim.nn.archive import read_matrix


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("x", metavar="X.npy", help="image, uint8 [height, width, channels]")
    parser.add_argument("w", metavar="W.npy", help="filters, int8 [taps, channels]")
    parser.add_argument("-o", "--output", metavar="O.npy", help="where to write the sums, int32 [H', W', channels]")
    parser.add_argument("--axis", default="row", metavar="row|col", help="1xK along the rows, or Kx1 along the columns")
    parser.add_argument("--stride", type=int, nargs=2, default=(1, 1), metavar=("DOWN", "ACROSS"))
    parser.add_argument("--padding", type=int, nargs=2, default=(0, 0), metavar=("BEFORE", "AFTER"))
    parser.add_argument("--fill", type=int, default=0, metavar="N", help="what the padding holds (default 0)")
    add_array(parser)
    parser.add_argument(
        "--on", default="golden", metavar="golden|rtl", help="the golden model, or the Verilog, simulated"
    )
    parser.add_argument("--simulator", default="verilator", metavar="verilator|icarus", help="with --on rtl")


def _run(args: argparse.Namespace) -> Result:
    one_of("--on", args.on, ("golden", "rtl"))
    config = array(args).with_fields(fuse=True, counters=True)
    x, w = read_matrix(args.x, "X"), read_matrix(args.w, "W")
    rows = rows_of_image(x, w, axis=args.axis, stride=tuple(args.stride), padding=tuple(args.padding), fill=args.fill)
    config.pe.check_k(rows.taps)
    target = None if args.output is None else output_file(args.output)
    sums, facts = _golden(rows, config) if args.on == "golden" else _rtl(rows, config, args.simulator)
    image = image_of_rows(sums, x.shape[2], args.axis)
    facts = {"output": list(image.shape), "taps": rows.taps, "macs": sums.size * rows.taps} | facts
    if target is not None:
        content = io.BytesIO()
        np.save(content, np.ascontiguousarray(image, np.int32))
        write_together(target.parent, {target.name: content.getvalue()})
    return Result("\n".join(f"{name:14} {value}" for name, value in facts.items()), facts)


def _golden(rows: ConvRows, config: ArrayConfig) -> tuple[np.ndarray, dict[str, Any]]:
    result = convolve_rows(rows, config.pe)
    cycles = fuse_cycles(len(rows.x), rows.pixels, rows.taps, config, stride=rows.stride)
    return result.sums, {"cycles": cycles} | asdict(result.counters)


def _rtl(rows: ConvRows, config: ArrayConfig, simulator: str) -> tuple[np.ndarray, dict[str, Any]]:
    from sysmt.sim.cosim.rtl import products
    from sysmt.sim.cosim.simulator import require

    require(simulator)
    progress(f"simulating the Verilog under {simulator} (the first time it is compiled: about a minute)")
    result = products([(rows, None, None)], config, simulator)
    names = ("active", "busy", "collisions", "reduced")
    return result.sums[0], {"cycles": result.cycles} | {name: result.counters[name] for name in names}


CONV1D = Handler(_arguments, _run)
