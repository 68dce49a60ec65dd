# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.link`: the virtual board: busy array, cycles simulated per second, damage on the link.

With `--boards` instead: 64x256x64 against the golden model on the virtual board of every board's own preset, with
`--fitting` of every preset that `sysmt boards` says fits. Only the link is faster, and what is equal
is simulated once.
"""

import argparse
import dataclasses
import json
import sys
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.boards.definitions import BOARDS
from sysmt.boards.driver import Board
from sysmt.boards.faults import trial
from sysmt.boards.flow import estimate
from sysmt.boards.plan import Plan
from sysmt.boards.session import Session
from sysmt.boards.transport import SerialTransport
from sysmt.boards.virtual.board import DIVISOR, VirtualBoard
from sysmt.cli.output import progress, table
from sysmt.hdl.params.accel import AccelConfig, accel_config
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.protocol import Opcode, pack
from sysmt.sim.golden.matmul import matmul

PRESETS = ("os4", "sysmt2_8")
FRAMES = 1000
RATE = 1e-3
SHAPE = (64, 256, 64)


def busy(board: Board) -> tuple[float, bool]:
    """Share of cycles in which the array takes a step, first to last one of a product in both halves.

    The product has more operands than one half holds, so it is two runs. Both are resident before they start: what
    is measured is the stream from block RAM, not the link. The orders wait behind a long answer, so that they come
    at once.
    """
    config = board.config
    array, random = config.array, np.random.default_rng(0)
    steps = config.depth // 4
    k = steps * array.pe.threads
    m = array.rows * 2
    n = 2 * array.cols * min(config.depth // steps, config.result_rows // array.rows // 2)
    x = random.integers(0, 256, (m, k), dtype=np.uint8)
    w = random.integers(-128, 128, (k, n), dtype=np.int8)
    plan = Plan(x, w, config, array.pe.threads)
    first, second = plan.runs
    session, link = Session(board.link, config, plan, array.pe.threads, None), board.link
    before = board.figures()
    numbers = [session.load(run) for run in (first, second)]
    blocker = link.submit(Opcode.REGISTERS, pack(Opcode.REGISTERS, first=0, count=config.frame_data // 4))
    orders = [session.order(number, run) for number, run in zip(numbers, plan.runs, strict=True)]
    link.wait(blocker, *orders)
    out = np.zeros((m, n), np.int64)
    for number, run in zip(numbers, plan.runs, strict=True):
        session.fetch(number, run, out)
    after = board.figures()
    right = np.array_equal(out, matmul(x, w, array.pe).sums)
    return (after["steps"] - before["steps"]) / (after["span"] - before["span"]), right


def equals_golden(board: Board) -> bool:
    """Whether a product of `SHAPE` on the board is that of the golden model."""
    (m, k, n), random = SHAPE, np.random.default_rng(1)
    x = random.integers(0, 256, (m, k), dtype=np.uint8)
    w = random.integers(-128, 128, (k, n), dtype=np.int8)
    return np.array_equal(board.matmul(x, w).values, matmul(x, w, board.config.array.pe).sums)


def configurations(fitting: bool) -> dict[AccelConfig, list[str]]:
    """What is on the boards but for the rate of the link -> where, as board/preset."""
    places: dict[AccelConfig, list[str]] = {}
    for board in BOARDS.values():
        for name in estimate.fitting(board) if fitting else [board.preset]:
            config = dataclasses.replace(board.accelerator(name), divisor=DIVISOR)
            places.setdefault(config, []).append(f"{board.name}/{name}")
    return places


def compare(config: AccelConfig, places: list[str]) -> dict[str, Any]:
    """One configuration, simulated, against golden."""
    array = config.array
    what = f"{array.rows}x{array.cols}x{array.pe.threads}"
    progress(f"compiling and simulating {what} of {', '.join(places)}")
    with VirtualBoard(config) as virtual, Board(SerialTransport(virtual.port), timeout=2.0) as board:
        equal = equals_golden(board)
    cycles, seconds = virtual.figures["cycles"], virtual.figures["seconds"]
    return {
        "array": what,
        "pipeline": array.pe.pipeline,
        "dsp": "yes" if array.pe.dsp else "no",
        "product": "x".join(map(str, SHAPE)),
        "equal": equal,
        "cycles": cycles,
        "cycles/s": round(cycles / seconds),
        "boards": " ".join(places),
    }


def measure(name: str, frames: int) -> dict[str, Any]:
    """All figures of the board around the array preset `name`."""
    config = accel_config(preset(name, ArrayConfig, target="fpga"), divisor=DIVISOR)
    progress(f"compiling and starting the board around {name}")
    with VirtualBoard(config) as virtual:
        with Board(SerialTransport(virtual.port), timeout=2.0) as board:
            share, right = busy(board)
            progress(f"64x256x64 on {name}")
            equal = right and equals_golden(board)
        faults = trial(SerialTransport(virtual.port), frames, RATE, timeout=0.5, progress=progress)
    figures = virtual.figures
    return {
        "board": name,
        "busy %": round(100 * share, 1),
        "equal": equal,
        "cycles/s": round(figures["cycles"] / figures["seconds"]),
        "frames": faults.frames,
        "sent again": faults.repeated,
        "bytes damaged": faults.faults,
        "products right": faults.right,
        "reported": faults.reported,
        "wrong": faults.wrong,
        "slowest s": round(faults.slowest, 1),
    }


def main(argv: list[str] | None = None) -> int:
    """Measure and print. Returns 1 when a result was wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.link",
        description=__doc__,
        epilog="example: python -m bench.link os4 --json; python -m bench.link --boards",
    )
    parser.add_argument("presets", nargs="*", metavar="PRESET", help=f"arrays (default {' '.join(PRESETS)})")
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"frames over the faulty link (default {FRAMES})")
    parser.add_argument("--boards", action="store_true", help="64x256x64 on every board's own preset instead")
    parser.add_argument("--fitting", action="store_true", help="64x256x64 on every preset that fits a board instead")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    every = args.boards or args.fitting
    if every and args.presets:
        parser.error(f"PRESET = {args.presets[0]} cannot be combined with --boards or --fitting: leave one out")
    try:
        if every:
            rows = [compare(config, places) for config, places in configurations(args.fitting).items()]
        else:
            rows = [measure(name, args.frames) for name in args.presets or PRESETS]
    except UserError as error:
        print(f"bench.link: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"rows": rows}, indent=2) if args.json else table(rows))
    return int(any(row.get("wrong") or not row["equal"] for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
