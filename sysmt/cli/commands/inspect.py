# SPDX-License-Identifier: Apache-2.0
"""`sysmt inspect`: what is in a model, what of it runs on the array, and what is in the way."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sysmt.base.files import write_together
from sysmt.cli.arguments import output_file
from sysmt.cli.output import Handler, Result, table
from sysmt.report.graph_picture import svg
from sysmt.sim.nn.inspection import Inspection, dot, inspect, size_of
from sysmt.sim.nn.model import read_graph


def _run(args: argparse.Namespace) -> Result:
    dot_file, svg_file = (None if name is None else output_file(name) for name in (args.dot, args.svg))
    graph = read_graph(args.model)
    found = inspect(graph)
    for target, drawn in ((dot_file, dot), (svg_file, svg)):
        if target is not None:
            write_together(target.parent, {target.name: drawn(found, graph).encode()})
    return Result(_text(found), _data(found))


def _data(found: Inspection) -> dict[str, Any]:
    return {
        "supported": found.supported,
        "inputs": found.inputs,
        "outputs": found.outputs,
        "state_bytes": found.state_bytes,
        "weights": found.total("weights"),
        "macs": found.total("macs"),
        "macs_array": found.total("macs", "array"),
        "dead_channels": found.total("dead_channels"),
        "operators": [asdict(row) for row in found.operators],
    }


def _text(found: Inspection) -> str:
    lines = [_ends("input", found.inputs), _ends("output", found.outputs), ""]
    rows = [
        {
            "operator": row.index,
            "kind": row.kind,
            "shape": f"{' '.join(map(size_of, row.inputs)) or '-'} -> {' '.join(map(size_of, row.outputs))}",
            "type": row.dtype,
            "weights": row.weights,
            "zeros": f"{100 * row.zero_weights:.0f} %" if row.weights else "-",
            "macs": row.macs,
            "dead": row.dead_channels,
            "runs on": row.runs_on,
        }
        for row in found.operators
    ]
    lines += [table(rows), ""] if rows else []
    macs, on_array = found.total("macs"), found.total("macs", "array")
    share = f", {100 * on_array / macs:.1f} % on the array" if macs else ""
    lines.append(
        f"{len(found.operators)} operators, {found.total('weights')} weights, {macs} multiply-accumulates{share}"
    )
    if found.total("dead_channels"):
        lines.append(f"{found.total('dead_channels')} channels have no weight but zero")
    if found.state_bytes:
        lines.append(f"{found.state_bytes} bytes are remembered from one input to the next")
    lines += [f"in the way: {row.obstacle}" for row in found.operators if row.obstacle]
    return "\n".join(lines)


def _ends(what: str, ends: list[dict[str, Any]]) -> str:
    lines = []
    for end in ends:
        scale = "" if end["scale"] is None else f", scale {end['scale']:.6g}, zero point {end['zero_point']}"
        lines.append(f"{what} {end['name']}: {end['dtype']} {size_of(end['shape'])}{scale}")
    return "\n".join(lines)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .tflite or .onnx file")
    parser.add_argument("--svg", metavar="FILE", help="write a picture of the graph, for a browser")
    parser.add_argument("--dot", metavar="FILE", help="the graph in the language of Graphviz")


INSPECT = Handler(_arguments, _run)
