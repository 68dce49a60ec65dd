# SPDX-License-Identifier: Apache-2.0
"""`sysmt schedule`: the best blocking of every layer on a hierarchy of memories, with energy, traffic and stalls."""

import argparse
from pathlib import Path
from typing import Any

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.layers import add_layers, layers_of, numbers, subject
from sysmt.cli.output import Handler, Result, passes_text, table
from sysmt.hdl.params.accel import accel_config
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig, engine_config
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.sdram import SdramConfig
from sysmt.sim.cost.schedule.count import Schedule
from sysmt.sim.cost.schedule.layers import DEFAULT_UNROLL
from sysmt.sim.cost.schedule.machine import Machine
from sysmt.sim.cost.schedule.machine_file import read_machine
from sysmt.sim.cost.schedule.machines import MACHINES, ArraySize, machine
from sysmt.sim.cost.schedule.network import (
    LayerSchedule,
    NetworkSchedule,
    schedule_network,
    schedule_on_accelerator,
)
from sysmt.sim.cost.schedule.search import OBJECTIVES
from sysmt.sim.cost.schedule.sizing import Sizing, size_memories
from sysmt.sim.engine.blocking import schedule_on_engine
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.nn.model import read_model

ACCELERATOR, ENGINE = "accelerator", "engine"


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_layers(parser)
    parser.add_argument("--array", metavar="RxC", help="rows and columns, as 16x16 (with --board: the board's own)")
    parser.add_argument("--threads", type=int, metavar="T", help="of machines accelerator and engine: 1, 2 or 4")
    parser.add_argument("--board", metavar="B", help="with --machine engine: the engine of this board")
    parser.add_argument("--stream", action="store_true", help="with --machine engine: weights in an SDRAM")
    parser.add_argument(
        "--machine",
        default="eyeriss",
        metavar="M",
        help=f"one of {', '.join((*MACHINES, ENGINE))}, or a file (.toml, .json) with levels, energies, bandwidths "
        "(default eyeriss)",
    )
    parser.add_argument(
        "--objective", default="energy", metavar="NAME", help=f"what is least: {', '.join(OBJECTIVES)} (default energy)"
    )
    parser.add_argument(
        "--unroll",
        metavar="DOWN,ACROSS",
        help=f"loops along the array, or all: the best pair of each layer (default {DEFAULT_UNROLL})",
    )
    parser.add_argument(
        "--size-memories",
        action="store_true",
        help="energy over the sizes of register file and buffer instead, on a machine of three levels",
    )
    parser.add_argument("--plot", metavar="FILE", help="draw energy per level and the roofline")


def _run(args: argparse.Namespace) -> Result:
    if args.machine == ENGINE:
        return _on_engine(args)
    for name, given in (("board", args.board), ("stream", args.stream)):
        if given:
            raise UserError(f"{name} must come with --machine {ENGINE}, not with {args.machine}")
    if args.array is None:
        raise UserError("array must be given, as --array 16x16")
    rows, cols = numbers("array", args.array, "x", "RxC")
    size = ArraySize(rows, cols, 1 if args.threads is None else args.threads)
    if args.size_memories and args.machine == ACCELERATOR:
        raise UserError(f"machine must have a register file to be sized, not be {ACCELERATOR}: take eyeriss, or a file")
    if args.size_memories and args.objective != "energy":
        raise UserError(f"objective must be energy with --size-memories, not {args.objective!r}")
    changes: list[str] = []
    layers = layers_of(args, changes)
    found: Sizing | NetworkSchedule
    unroll = DEFAULT_UNROLL if args.unroll is None else args.unroll
    if args.size_memories:
        found = size_memories(layers, _machine(args, size), unroll)
    elif args.machine == ACCELERATOR:
        if args.unroll is not None:
            raise UserError(f"unroll must be left out with machine {ACCELERATOR}, not {args.unroll!r}")
        array = ArrayConfig(rows=rows, cols=cols, pe=PEConfig(threads=size.threads))
        found = schedule_on_accelerator(layers, accel_config(array), args.objective)
    else:
        found = schedule_network(layers, _machine(args, size), args.objective, unroll)
    if args.plot is not None:
        _plot(args, found)
    text = _sizing_text(found) if isinstance(found, Sizing) else _text(found)
    passes = {"passes": changes} if changes else {}
    return Result("\n".join([text, *passes_text(changes)]), found.as_dict() | passes)


def _on_engine(args: argparse.Namespace) -> Result:
    """The layers of a model as the compiler blocks them."""
    if args.source is None or args.variant is not None:
        raise UserError(f"machine {ENGINE} must have a model that can be compiled, not a network, topology or product")
    if args.size_memories or args.unroll is not None or args.no_optimise:
        raise UserError(f"size-memories, unroll and no-optimise must be left out with machine {ENGINE}")
    program = prepare(read_model(args.source), _engine(args))
    found = schedule_on_engine(program, args.objective)
    if args.plot is not None:
        _plot(args, found)
    return Result(_text(found), found.as_dict())


def _engine(args: argparse.Namespace) -> EngineConfig:
    """The engine of a board, or one around an array."""
    size = None if args.array is None else numbers("array", args.array, "x", "RxC")
    if args.board is not None:
        from sysmt.boards.definitions import board

        fields: dict[str, Any] = {} if size is None else {"rows": size[0], "cols": size[1]}
        fields |= {} if args.threads is None else {"threads": args.threads}
        return board(args.board).networks(stream=args.stream, **fields)
    if size is None:
        raise UserError("array must be given, as --array 8x8, or a board whose engine it is, as --board ulx3s")
    array = ArrayConfig(rows=size[0], cols=size[1], pe=PEConfig(threads=1 if args.threads is None else args.threads))
    return engine_config(array, stream=SdramConfig() if args.stream else None)


def _machine(args: argparse.Namespace, size: ArraySize) -> Machine:
    """The machine by its name, or from a file."""
    if args.machine.endswith((".toml", ".json")):
        return read_machine(args.machine, size)
    if args.machine not in MACHINES:
        raise UserError(must_be_one_of("machine", args.machine, (*MACHINES, ENGINE, "FILE.toml")))
    return machine(args.machine, size)


def _plot(args: argparse.Namespace, found: Sizing | NetworkSchedule) -> None:
    # matplotlib takes longer to load than everything else takes to run
    from sysmt.sim.cost.figures import picture_format, render
    from sysmt.sim.cost.schedule.figures import schedule_figure, sizing_figure

    form = picture_format(args.plot)
    title = f"{subject(args)} on {args.array or args.board}"
    figure = sizing_figure(found, title) if isinstance(found, Sizing) else schedule_figure(found, title)
    path = Path(args.plot)
    write_together(path.parent, {path.name: render(figure, form)})


def _text(found: NetworkSchedule) -> str:
    rows = [_row(row) for row in found.layers]
    levels = ", ".join(f"{name} {energy:.4g}" for name, energy in found.levels.items())
    outer = found.machine.levels[-1].name
    total = f"total energy {found.energy:.6g} ({levels}), {found.cycles:.6g} cycles, "
    return f"{table(rows)}\n\n{total}{sum(row.traffic for row in found.layers):.6g} bytes of {outer}"


def _row(row: LayerSchedule) -> dict[str, Any]:
    best = row.best
    shown: dict[str, Any] = {
        "layer": row.layer.name,
        "blocking": _blocking(best),
        "energy": row.energy,
        "per MAC": row.energy / row.layer.macs,
        "bytes": row.traffic,
        "cycles": row.cycles,
        "bound by": best.bound,
        "MAC/cycle": best.nest.macs / best.cycles,
        "roof": row.roof,
    }
    if row.driver is not None:
        shown["driver" if row.link_bytes else "compiler"] = row.driver.energy / best.energy
    if row.link_bytes is not None:
        shown["link bytes"], shown["plain"] = row.link_bytes
    return shown


def _blocking(best: Schedule) -> str:
    """Factors of every loop that turns, innermost level first; behind @ what is unrolled."""
    loops = (f"{loop}{'.'.join(map(str, f))}" for loop, f in best.blocking.items() if max(f) > 1)
    spread = (f"{loop}{factor}" for loop, factor in best.unrolling.factor.items() if factor > 1)
    return f"{' '.join(loops) or '-'} @ {' '.join(spread) or '-'}"


def _sizing_text(found: Sizing) -> str:
    buffers = list(dict.fromkeys(buffer for _, buffer in found.points))
    rows = []
    for registers in dict.fromkeys(registers for registers, _ in found.points):
        row: dict[str, Any] = {"registers": _bytes(registers)}
        for buffer in buffers:
            point = found.points[registers, buffer]
            row[f"{buffer >> 10} KB"] = "-" if point is None else point.energy
        rows.append(row)
    registers, buffer = found.least()
    return (
        f"{table(rows)}\n\n{found.machine.name} {found.baseline.energy:.6g}; least at {_bytes(registers)} and "
        f"{buffer >> 10} KB: {found.gain():.2f} times less; with one register file {found.gain(1):.2f} times less"
    )


def _bytes(registers: tuple[int, ...]) -> str:
    return f"{' + '.join(map(str, registers))} B"


SCHEDULE = Handler(_arguments, _run)
