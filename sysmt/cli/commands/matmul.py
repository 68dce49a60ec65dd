# SPDX-License-Identifier: Apache-2.0
"""`sysmt matmul`: a matrix product on the golden model, on the simulated Verilog, or on a board."""

import argparse
import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.arguments import add_array, array, chooses_array, output_file
from sysmt.cli.output import Handler, Result, progress
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import SMT_SA
from sysmt.sim.cost.array import matmul_cycles
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.product import check_operands
from sysmt.sim.golden.tiling import tiles
from sysmt.sim.golden.zero_point import check_zero
from sysmt.sim.nn.archive import read_matrix

from . import smt_sa
from .board import add_port

RECONNECT_TIMEOUT = 30.0
"""Seconds that a product waits for an unplugged cable to come back."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("x", metavar="X.npy", help="activations, uint8 [M, K]")
    parser.add_argument("w", metavar="W.npy", help="weights, int8 [K, N]")
    parser.add_argument("-o", "--output", metavar="O.npy", help="where to write the product, int32 [M, N]")
    add_array(parser)
    parser.add_argument(
        "--zero",
        type=int,
        default=0,
        metavar="Z",
        help="zero point of the activations, 0 to 255, of PEs that take it off (--set signed_window=true)",
    )
    parser.add_argument(
        "--on",
        default="golden",
        metavar="golden|rtl|PORT",
        help="the golden model; the Verilog, simulated; or the board behind a serial port, with its own array",
    )
    add_port(parser)
    parser.add_argument("--simulator", default="verilator", metavar="verilator|icarus", help="with --on rtl")
    parser.add_argument("--waves", metavar="FILE", help="with --on rtl: leave the waveform (.vcd, or .fst of Icarus)")


def _run(args: argparse.Namespace) -> Result:
    on_board = os.sep in args.on
    if args.on not in ("golden", "rtl") and not on_board:
        raise UserError(f"--on must be golden, rtl or the path of a serial port, not {args.on!r}")
    if args.waves and args.on != "rtl":
        raise UserError(f"--waves {args.waves!r} needs --on rtl: the golden model has no signals")
    if args.preset in SMT_SA:
        return _smt_sa(args)
    config = array(args)
    x, w = read_matrix(args.x, "X"), read_matrix(args.w, "W")
    check_operands(x, w, config.pe)
    if not on_board:  # Whose own array says.
        check_zero(args.zero, config.pe)
    target = None if args.output is None else output_file(args.output)
    if on_board:
        sums, facts = _board(x, w, config, args)
    else:
        sums, facts = _golden(x, w, config, args.zero) if args.on == "golden" else _rtl(x, w, config, args)
    return _result(x, w, sums, facts, target)


def _smt_sa(args: argparse.Namespace) -> Result:
    """The product on SMT-SA."""
    if args.on not in ("golden", "rtl"):
        raise UserError(f"--on {args.on!r} needs an array that boards have, not --preset {args.preset}: golden or rtl")
    config = smt_sa.array(args)
    x, w = read_matrix(args.x, "X"), read_matrix(args.w, "W")
    check_operands(x, w, config.conventional.pe)
    config.check_k(x.shape[1])
    check_zero(args.zero, config.conventional.pe)
    target = None if args.output is None else output_file(args.output)
    waves = None if args.waves is None else output_file(args.waves)
    sums, facts = smt_sa.product(x, w, config, args.simulator if args.on == "rtl" else None, waves)
    return _result(x, w, sums, facts, target)


def _result(x: np.ndarray, w: np.ndarray, sums: np.ndarray, facts: dict[str, Any], target: Path | None) -> Result:
    """What is printed, with the sums written to `target`."""
    if "cycles" in facts:
        facts["mac_per_cycle"] = x.shape[0] * x.shape[1] * w.shape[1] / facts["cycles"]
    if target is not None:
        content = io.BytesIO()
        np.save(content, sums.astype(np.int32))
        write_together(target.parent, {target.name: content.getvalue()})
    return Result("\n".join(f"{name:14} {value}" for name, value in facts.items()), facts)


def _shape(x: np.ndarray, w: np.ndarray, config: ArrayConfig) -> dict[str, Any]:
    count = len(tiles(x.shape[0], w.shape[1], config))
    return {"m": x.shape[0], "k": x.shape[1], "n": w.shape[1], "tiles": count}


def _golden(x: np.ndarray, w: np.ndarray, config: ArrayConfig, zero: int) -> tuple[np.ndarray, dict[str, Any]]:
    product = matmul(x, w, config.pe, zero=zero)
    facts = _shape(x, w, config)
    counted = product.counters
    return product.sums, facts | {
        "cycles": matmul_cycles(x.shape[0], x.shape[1], w.shape[1], config),
        "steps": facts["tiles"] * config.pe.steps(x.shape[1]),
        "active": counted.active,
        "busy": counted.busy,
        "collisions": counted.collisions,
        "reduced": counted.reduced,
    }


def _rtl(
    x: np.ndarray, w: np.ndarray, config: ArrayConfig, args: argparse.Namespace
) -> tuple[np.ndarray, dict[str, Any]]:
    from sysmt.sim.cosim.rtl import products
    from sysmt.sim.cosim.simulator import require

    require(args.simulator)
    waves = None if args.waves is None else output_file(args.waves)
    progress(f"simulating the Verilog under {args.simulator} (the first time it is compiled: about a minute)")
    counting = config.with_fields(counters=True)
    result = products([(x, w, None)], counting, args.simulator, waves=waves, zeros=[args.zero])
    names = ("steps", "active", "busy", "collisions", "reduced")
    facts = _shape(x, w, config) | {"cycles": result.cycles} | {n: result.counters[n] for n in names}
    return result.sums[0], facts


def _now_and_then() -> Callable[[str], None]:
    """Progress, of a kind that comes often (it begins with a number) no more than once a second."""
    told = time.monotonic()

    def tell(text: str) -> None:
        nonlocal told
        if not text[0].isdigit() or time.monotonic() - told >= 1:
            told = time.monotonic()
            progress(text)

    return tell


def _board(
    x: np.ndarray, w: np.ndarray, config: ArrayConfig, args: argparse.Namespace
) -> tuple[np.ndarray, dict[str, Any]]:
    from sysmt.boards.driver import Board
    from sysmt.boards.transport import SerialTransport

    expect = config if chooses_array(args) else None
    with Board(
        SerialTransport(args.on, args.baud), expect, reconnect_timeout=RECONNECT_TIMEOUT, progress=_now_and_then()
    ) as board:
        product = board.matmul(x, w, zero=args.zero)
        array_config = board.config.array
    counted = {n.removeprefix("array_"): v for n, v in product.figures.items() if n != "span"}
    names = ("cycles", "steps", "active", "busy", "collisions", "reduced")
    facts = _shape(x, w, array_config) | {n: counted[n] for n in names if n in counted}
    return product.values, facts | {"frames": product.frames, "repeated": product.repeated}


MATMUL = Handler(_arguments, _run)
