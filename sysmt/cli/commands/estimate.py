# SPDX-License-Identifier: Apache-2.0
"""`sysmt estimate`: area, clock, energy or FPGA resources of a configuration without synthesis, with intervals."""

import argparse
from typing import Any

from sysmt.base.errors import UserError
from sysmt.cli.arguments import add_settings, settings_on_board
from sysmt.cli.output import Handler, Result, table
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.sim.cost.silicon import TARGETS, Built, Silicon, predict

UNITS = {
    "area": "um2",
    "flip_flops": "flip-flops",
    "mhz": "MHz",
    "femtojoules": "fJ per MAC",
    "luts": "LUTs",
    "dsps": "DSPs",
    "rams": "blocks of RAM",
    "memory_area": "um2 of memories",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "preset", nargs="?", metavar="PRESET", help="a name that `sysmt list` prints (with --board: the board's own)"
    )
    parser.add_argument("--target", metavar="T", help=f"one of {', '.join(TARGETS)} (default {TARGETS[0]})")
    parser.add_argument("--board", metavar="BOARD", help="on this board, and whether it fits")
    parser.add_argument("--engine", action="store_true", help="with --board: the engine that runs whole networks")
    parser.add_argument("--stream", action="store_true", help="with --engine: its weights in the board's SDRAM")
    add_settings(parser)


def _run(args: argparse.Namespace) -> Result:
    if args.board is not None and args.target is not None:
        raise UserError(f"--target {args.target} and --board {args.board} cannot go together: leave out one of them")
    if args.board is None and (args.engine or args.stream):
        raise UserError("--engine and --stream are of a board: give --board too, or a preset engine_*")
    if args.stream and not args.engine:
        raise UserError("--stream is for an engine: give --engine too")
    if args.board is None:
        return _on_target(args)
    return _on_board(args)


def _on_target(args: argparse.Namespace) -> Result:
    if args.preset is None:
        raise UserError("PRESET must be given where there is no --board")
    config = with_settings(preset(args.preset), args.settings)
    if not isinstance(config, ArrayConfig | AccelConfig | EngineConfig):
        raise UserError(f"preset must be an array, an accelerator or an engine, not {args.preset}: synthesise it")
    target = args.target or TARGETS[0]
    found = predict(config, target)
    return _result(f"{args.preset} on {target}", config, found, {"preset": args.preset})


def _on_board(args: argparse.Namespace) -> Result:
    from sysmt.boards.definitions import board

    chosen = board(args.board)
    changes = settings_on_board(args, args.engine)
    made = chosen.networks(args.preset, stream=args.stream, **changes) if args.engine else None
    config: Built = made or chosen.accelerator(args.preset, **changes)
    found = predict(config, chosen.part.family.name)
    name = args.preset or chosen.default(args.engine)
    there = {"luts": "LUT", "flip_flops": "FF", "dsps": "DSP", "rams": "RAM"}
    limits = {figure: chosen.part.capacity[resource] for figure, resource in there.items()}
    head = f"{name} on {chosen.title} ({chosen.part.name})"
    return _result(head, config, found, {"preset": name, "board": chosen.name, "part": chosen.part.name}, limits)


def _result(
    head: str, config: Built, found: Silicon, facts: dict[str, Any], limits: dict[str, int] | None = None
) -> Result:
    rows = []
    for name, unit in UNITS.items():
        if (figure := getattr(found, name)) is None:
            continue
        row: dict[str, Any] = {"figure": unit, "expected": figure.value, "low": figure.low, "high": figure.high}
        if limits is not None:
            row |= {"of": limits.get(name, "-"), "fits": _fits(figure.low, figure.high, limits.get(name))}
        rows.append(row)
    text = f"{head}, 95 % intervals\n\n{table(rows)}"
    if found.memory_bits:
        text += f"\n\nmemories   {found.memory_bits} bits"
    data = facts | {"config": config.as_dict()} | found.as_dict()
    return Result(text, data | ({"limits": limits} if limits is not None else {}))


def _fits(low: float, high: float, limit: int | None) -> str:
    if limit is None:
        return "-"
    return "yes" if high <= limit else "no" if low > limit else "perhaps"


ESTIMATE = Handler(_arguments, _run)
