# SPDX-License-Identifier: Apache-2.0
"""`sysmt trace`: the memory accesses of a network's layers."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.arguments import output_file
from sysmt.cli.output import Handler, Result, progress, table
from sysmt.hdl.params.checks import in_range
from sysmt.sim.nullcache.traces.layers import DTYPES, LayerOperands, zero_lines
from sysmt.sim.nullcache.traces.loops import LOOPS, end_of, joined, layer_trace
from sysmt.sim.nullcache.traces.networks import NETWORKS, SYNTHETIC, layers
from sysmt.sim.nullcache.traces.squeezenet import squeezenet
from sysmt.sim.nullcache.traces.trace import Trace

LONGEST = 10_000_000
"""Accesses per layer that are made at most: a trace is kept in memory."""


OF = {
    "activations": tuple(SYNTHETIC),
    "seed": NETWORKS,
    "weights": ("squeezenet",),
    "image": ("squeezenet",),
}
"""The networks of options that not all have."""


def _layers(args: argparse.Namespace) -> Iterator[LayerOperands]:
    if args.network not in (*NETWORKS, "squeezenet"):
        raise UserError(must_be_one_of("network", args.network, (*NETWORKS, "squeezenet")))
    for option, networks in OF.items():
        if getattr(args, option) is not None and args.network not in networks:
            raise UserError(f"{option} must be left out for {args.network}: it is for {', '.join(networks)}")
    if args.network != "squeezenet":
        return layers(args.network, args.activations, 1 if args.seed is None else args.seed)
    if args.weights is None or args.image is None:
        raise UserError("network squeezenet must be given --weights compressed_SqueezeNet.net and --image PICTURE")
    return squeezenet(args.weights, args.image)


def _run(args: argparse.Namespace) -> Result:
    output = output_file(args.output)
    in_range("limit", args.limit, 1, LONGEST)
    traces: list[Trace] = []
    rows: list[dict[str, Any]] = []
    names: list[str] = []
    for layer in _layers(args):
        names.append(layer.name)
        if args.layer is not None and layer.name != args.layer:
            continue
        layer = layer if args.dtype is None else layer.of_type(args.dtype)
        base = {"base": end_of(traces[-1])} if traces else {}
        traces.append(layer_trace(layer, args.loops, args.limit, **base))
        facts = {"zero inputs": float((layer.x == 0).mean()), "zero weights": float((layer.w == 0).mean())}
        facts |= {"zero input lines": zero_lines(layer.x), "zero weight lines": zero_lines(layer.w)}
        progress(f"{layer.name}: {len(traces[-1])} accesses")
        rows.append({"layer": layer.name, "accesses": len(traces[-1])} | facts)
    if not traces:
        raise UserError(f"layer must be one of {', '.join(names)}, not {args.layer!r}")
    trace = joined(traces)
    write_together(output.parent, {output.name: trace.packed()})
    return Result(table(rows), {"network": args.network, "loops": args.loops, "accesses": len(trace), "layers": rows})


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", nargs="?", default="digits", help=f"{', '.join(NETWORKS)} or squeezenet")
    parser.add_argument("-o", "--output", required=True, metavar="TRACE.npz", help="file to write")
    parser.add_argument("--layer", help="only this layer")
    parser.add_argument("--loops", choices=LOOPS, default="im2col", help="how a layer runs (default im2col, as Caffe)")
    parser.add_argument("--dtype", choices=DTYPES, help="element type (default: float32, and int8 for digits)")
    parser.add_argument("--limit", type=int, default=1_000_000, help="accesses wanted per layer")
    parser.add_argument("--activations", type=float, help="non-zero share instead of the published, synthetic networks")
    parser.add_argument("--seed", type=int, help="of weights and image, synthetic networks; or which digit (default 1)")
    parser.add_argument("--weights", type=Path, help="compressed_SqueezeNet.net")
    parser.add_argument("--image", type=Path, help="photograph for squeezenet")


TRACE = Handler(_arguments, _run)
