# SPDX-License-Identifier: Apache-2.0
"""`sysmt boards`, `sysmt build` and `sysmt flash`: the boards, their bitstreams, and getting one onto a board."""

import argparse
from functools import partial
from pathlib import Path

from sysmt.base.errors import UserError
from sysmt.base.files import build_root
from sysmt.cli.arguments import add_settings, settings_on_board
from sysmt.cli.output import Handler, Result, no_arguments, progress, table


def _boards(_: argparse.Namespace) -> Result:
    from sysmt.boards.definitions import BOARDS
    from sysmt.boards.flow.estimate import describe

    rows = [describe(board) for board in BOARDS.values()]
    shown = [{k: " ".join(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows]
    return Result(table(shown), {"boards": rows})


def _folder(args: argparse.Namespace) -> Path:
    return Path(args.output) if args.output else build_root() / "boards"


def _add_board(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("board", metavar="BOARD", help="a name that `sysmt boards` prints")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder of the bitstream (default build/boards)")


def _build_arguments(parser: argparse.ArgumentParser) -> None:
    _add_board(parser)
    parser.add_argument("--preset", metavar="P", help="array preset (default: the board's own)")
    parser.add_argument("--engine", action="store_true", help="the engine that runs whole networks (`sysmt compile`)")
    parser.add_argument("--stream", action="store_true", help="an engine with its weights in the board's SDRAM")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of place and route (default 1)")
    add_settings(parser)


def _build(args: argparse.Namespace) -> Result:
    from sysmt.boards.definitions import board
    from sysmt.boards.flow.build import build

    if args.seed < 0:
        raise UserError(f"seed must be 0 or more, not {args.seed}")
    chosen = board(args.board)
    preset = args.preset or chosen.default(args.engine)
    if args.stream and not args.engine:
        raise UserError("--stream is for an engine: give --engine too")
    make = partial(chosen.networks, stream=args.stream) if args.engine else chosen.accelerator
    config = make(preset, **settings_on_board(args, args.engine))
    bitstream = build(chosen, config, preset, args.seed, progress)
    files = [str(path) for path in bitstream.write(_folder(args))]
    report = bitstream.report
    used = [
        {"resource": name, **found, "percent": 100 * found["used"] / found["available"]}
        for name, found in report["utilisation"].items()
    ]
    lines = [
        f"{files[0]}: {preset} on {chosen.title} ({chosen.part.name}) at {report['clock_mhz']:g} MHz, "
        f"{report['peak_mac_per_s'] / 1e9:.3g} GMAC/s at most, UART at {chosen.baud} baud",
        table(used),
        table(report["timing"]),
        *files[1:],
    ]
    return Result("\n".join(lines), {"files": files, **report})


def _flash_arguments(parser: argparse.ArgumentParser) -> None:
    _add_board(parser)
    parser.add_argument("--keep", action="store_true", help="write the flash memory of the board: survives power-off")
    parser.add_argument(
        "--loader",
        action="append",
        default=[],
        metavar="ARGUMENT",
        help="pass an argument to openFPGALoader (repeatable), say --loader=--cable=ft4232",
    )


def _flash(args: argparse.Namespace) -> Result:
    from sysmt.boards.definitions import board
    from sysmt.boards.flow.flash import flash

    chosen = board(args.board)
    loaded = flash(chosen, _folder(args), progress, args.keep, tuple(args.loader))
    facts = {"board": chosen.name, "bitstream": str(loaded), "baud": chosen.baud}
    return Result(f"{loaded} is on {chosen.title}; talk to it with --baud {chosen.baud}", facts)


BOARDS_COMMAND = Handler(no_arguments, _boards)
BUILD = Handler(_build_arguments, _build)
FLASH = Handler(_flash_arguments, _flash)
