# SPDX-License-Identifier: Apache-2.0
"""`sysmt networks`: the networks with their totals, or the layers of one."""

import argparse

from sysmt.base.errors import UserError
from sysmt.cli.output import Handler, Result, table
from sysmt.sim.nn.networks import NETWORKS, VARIANTS, network, total_macs, total_params


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("network", nargs="?", metavar="NAME", help=f"one of {', '.join(NETWORKS)}; all by default")
    parser.add_argument("--variant", metavar="NAME", help=f"of the network: one of {', '.join(VARIANTS)}")


def _run(args: argparse.Namespace) -> Result:
    if args.network is not None:
        return _layers(args.network, args.variant or "baseline")
    if args.variant is not None:
        raise UserError(f"variant must go with the name of a network, not {args.variant!r} alone")
    rows = []
    for name in NETWORKS:
        for variant in VARIANTS:
            layers = network(name, variant)
            totals = {"layers": len(layers), "macs": total_macs(layers), "params": total_params(layers)}
            rows.append({"network": name, "variant": variant} | totals)
    return Result(table(rows), {"networks": rows})


def _layers(name: str, variant: str) -> Result:
    layers = network(name, variant)
    numbers = [{"macs": layer.macs, "params": layer.params} for layer in layers]
    names = [{"name": layer.name, "kind": layer.kind} for layer in layers]
    text = [n | {"shape": layer.shape_text()} | v for n, layer, v in zip(names, layers, numbers, strict=True)]
    data = [n | {"shape": layer.shape()} | v for n, layer, v in zip(names, layers, numbers, strict=True)]
    return Result(table(text), {"network": name, "variant": variant, "layers": data})


NETWORKS_COMMAND = Handler(_arguments, _run)
