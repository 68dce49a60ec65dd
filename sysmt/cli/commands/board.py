# SPDX-License-Identifier: Apache-2.0
"""`sysmt board`: ask a board who it is, or be one."""

import argparse
import signal
import sys
from typing import Any

from sysmt.base.errors import UserError
from sysmt.cli.arguments import add_settings
from sysmt.cli.output import Handler, Result, progress
from sysmt.hdl.params.accel import AccelConfig, accel_config
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import STATE as ENGINE_STATE
from sysmt.hdl.params.presets import ENGINES, preset
from sysmt.hdl.params.program import EngineError
from sysmt.hdl.params.registers import FIGURES, STATE
from sysmt.hdl.params.settings import with_settings


def add_port(parser: argparse.ArgumentParser) -> None:
    """`--baud`, for commands that talk to a board."""
    from sysmt.boards.transport import BAUD

    parser.add_argument(
        "--baud", type=_baud, default=BAUD, metavar="N", help=f"rate of the serial port (default {BAUD})"
    )


def _baud(text: str) -> int:
    """A rate of a serial port."""
    if not text.isascii() or not text.isdecimal() or not 0 < int(text) < 1 << 31:
        raise argparse.ArgumentTypeError(f"must be an integer from 1 to {(1 << 31) - 1}, not {text!r}")
    return int(text)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", metavar="info", help="print what is on the board behind --port")
    parser.add_argument("--port", metavar="DEVICE", help="serial port of the board, say /dev/ttyUSB0")
    add_port(parser)
    parser.add_argument(
        "--virtual",
        nargs="?",
        const="sysmt2_8",
        metavar="PRESET",
        help="be a board: simulate the accelerator around this array (default sysmt2_8), or the engine engine_ARRAY, "
        "print its port, serve until interrupted",
    )
    add_settings(parser)


def _run(args: argparse.Namespace) -> Result:
    if args.virtual is not None:
        if args.action or args.port:
            raise UserError(f"--virtual {args.virtual} is a board of its own: leave out info and --port")
        return _serve(args.virtual, args.settings)
    if args.settings:
        raise UserError(
            f"--set {args.settings[0]} needs --virtual: a board behind a port has the array that it was built with"
        )
    if args.action != "info":
        raise UserError(f"action must be info, or --virtual given, not {args.action!r}")
    if args.port is None:
        raise UserError("--port must be given: the device of the board, say /dev/ttyUSB0")
    facts = _identity(args.port, args.baud)
    return Result("\n".join(f"{name:18} {value}" for name, value in facts.items()), facts)


def _identity(port: str, baud: int) -> dict[str, Any]:
    """What the board behind a port says of itself, whichever of the two it holds."""
    from sysmt.boards.driver import Board
    from sysmt.boards.link import OtherKindError
    from sysmt.boards.network import EngineBoard
    from sysmt.boards.transport import SerialTransport

    transport = SerialTransport(port, baud)
    try:
        with Board(transport) as board:
            return describe(board.config) | {"generator": f"sysmt {board.generator}"} | _state(board.registers())
    except OtherKindError:
        transport.close()
    with EngineBoard(transport) as engine:
        words = engine.registers()
        facts = describe(engine.config) | {"generator": f"sysmt {engine.generator}"} | _runs(words)
        state = ENGINE_STATE["state"].from_int(words["state"])
        return facts | {"last_error": EngineError(state["error"]).name.lower(), "cycles": words["cycles"]}


def describe(config: AccelConfig | EngineConfig) -> dict[str, Any]:
    """The configuration of an accelerator or an engine, flat, and what follows from it."""
    own: dict[str, Any] = config.as_dict()
    array: dict[str, Any] = own.pop("array")
    return array | own | {"fingerprint": f"{config.fingerprint:016x}", "memory_bits": config.memory_bits}


def _runs(words: dict[str, int]) -> dict[str, Any]:
    runs, errors = (STATE[name].from_int(words[name]) for name in ("runs", "errors"))
    return {
        "runs_issued": runs["issued"],
        "runs_finished": runs["finished"],
        "frames_dropped": errors["frames"],
        "bytes_dropped": errors["bytes"],
    }


def _state(words: dict[str, int]) -> dict[str, Any]:
    return _runs(words) | {name: words[name] for name in FIGURES}


def simulated(name: str, settings: list[str], divisor: int) -> AccelConfig | EngineConfig:
    """What a simulated board holds: the engine called `name`, or the accelerator around the array called so."""
    if name in ENGINES:
        return with_settings(preset(name, EngineConfig, divisor=divisor), settings)
    return accel_config(with_settings(preset(name, ArrayConfig, target="fpga"), settings), divisor=divisor)


def _serve(name: str, settings: list[str]) -> Result:
    from sysmt.boards.virtual.board import DIVISOR, VirtualBoard

    config = simulated(name, settings, DIVISOR)
    progress(f"compiling the board around {' '.join((name, *settings))} (the first time: a minute or more)")
    # Also where a shell started it in the background of a script, which ignores interrupts.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with VirtualBoard(config) as board:
        print(board.port, flush=True)
        progress(f"serving on {board.port}; interrupt to stop")
        try:
            board.wait()
        except KeyboardInterrupt:
            print(file=sys.stderr)
    figures = board.figures
    rate = round(figures["cycles"] / figures["seconds"]) if figures.get("seconds") else 0
    figures = figures | {"cycles_per_second": rate}
    return Result("\n".join(f"{n:18} {v}" for n, v in figures.items()), figures)


BOARD = Handler(_arguments, _run)
