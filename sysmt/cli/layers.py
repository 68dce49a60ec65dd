# SPDX-License-Identifier: Apache-2.0
"""Arguments that say which layers a command is about: a model, a network, a topology file, a product."""

import argparse
from pathlib import Path

from sysmt.base.errors import UserError
from sysmt.cli.output import progress
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.networks import NETWORKS, VARIANTS, network
from sysmt.sim.nn.readers import read_network
from sysmt.sim.nn.readers.topology import read_topology

from .arguments import NO_OPTIMISE


def add_layers(parser: argparse.ArgumentParser) -> None:
    """The options that choose layers."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "source",
        nargs="?",
        metavar="MODEL",
        help="a model, a topology file (.csv) or the name of a network",
    )
    what.add_argument("--network", metavar="NAME", help=f"one of {', '.join(NETWORKS)}")
    what.add_argument("--topology", metavar="FILE", help="a topology or GEMM file of SCALE-Sim")
    what.add_argument("--gemm", metavar="M,K,N", help="one product [M, K] x [K, N]")
    parser.add_argument("--variant", metavar="NAME", help=f"of the network: one of {', '.join(VARIANTS)}")
    parser.add_argument("--no-optimise", action="store_true", help=NO_OPTIMISE)


def layers_of(args: argparse.Namespace, changes: list[str], sparse: bool = False) -> tuple[Layer, ...]:
    """The layers that the options of `add_layers` choose; what graph passes change is added to `changes`.

    `sparse`: those of a model say the sparsity of their weights (`read_network`).
    """
    if args.source is not None:
        variant, optimise = args.variant or "baseline", not args.no_optimise
        return read_network(args.source, variant, optimise, changes.append, progress, sparse)
    if args.network is not None:
        return network(args.network, args.variant or "baseline")
    if args.variant is not None:
        raise UserError(f"variant must go with the name of a network, not {args.variant!r} alone")
    if args.topology is not None:
        return read_topology(args.topology)
    m, k, n = numbers("gemm", args.gemm, ",", "M,K,N")
    if not min(m, k, n):
        raise UserError(f"gemm must be M,K,N of at least 1 each, not {args.gemm!r}")
    return (Layer.gemm("gemm", m, k, n),)


def numbers(name: str, text: str, separator: str, form: str) -> list[int]:
    """Whole numbers from text of the form `form`; another text is refused."""
    parts = text.split(separator)
    if len(parts) != len(form.split(separator)) or not all(part.isascii() and part.isdigit() for part in parts):
        raise UserError(f"{name} must be {form}, whole numbers, not {text!r}")
    return [int(part) for part in parts]


def subject(args: argparse.Namespace) -> str:
    """What the layers are of, for a title."""
    if args.gemm is not None:
        return f"gemm {args.gemm}"
    name = Path(args.source or args.network or args.topology).stem
    return f"{name} {args.variant or 'baseline'}" if name in NETWORKS else name
