# SPDX-License-Identifier: Apache-2.0
"""`sysmt compile` and `sysmt run`: a network as a program of the engine, and the program on inputs."""

import argparse
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.arguments import SPEEDUP, add_settings, output_file
from sysmt.cli.output import Handler, Result, progress, table
from sysmt.hdl.params.command_list import check_master
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import THREADS
from sysmt.hdl.params.presets import DEFAULT_ARRAY, preset
from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.sdram import SdramConfig
from sysmt.hdl.params.settings import with_settings
from sysmt.sim.engine.c_source import c_source
from sysmt.sim.engine.chunks import chunks_of
from sysmt.sim.engine.cost import program_cost
from sysmt.sim.engine.cycles import computing_cycles, program_cycles
from sysmt.sim.engine.execute import Executor, execute
from sysmt.sim.engine.file import read_program, write_program
from sysmt.sim.engine.layer import DoesNotFitError
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.engine.program import Program
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.options import Options

from .board import add_port

if TYPE_CHECKING:
    from sysmt.boards.flow.board import BoardDefinition

ENGINE = f"engine_{DEFAULT_ARRAY}"
FROM_SDRAM = {Memory.WEIGHTS: "weights", Memory.PARAMETERS: "parameters", Memory.ACTIVATIONS: "input"}
"""What chunks are called, by the memory that they go to."""


def _compile_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", type=Path, help="a .tflite file, or `digits`")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--preset", metavar="P", help=f"the engine, a preset engine_<array> (default {ENGINE})")
    where.add_argument("--board", metavar="B", help="the engine of this board (`sysmt build B --engine`)")
    parser.add_argument(
        "--stream", action="store_true", help="weights in an SDRAM; of a board also where they do not fit on chip"
    )
    add_settings(parser)
    parser.add_argument("--threads", type=int, choices=THREADS, help="threads of layers that may run threaded")
    parser.add_argument("--budget", type=float, metavar="PCT", help="most points of top-1 to lose, per-layer threads")
    parser.add_argument("--speedup", type=float, metavar="X", help=SPEEDUP)
    parser.add_argument("--calibrate", type=Path, metavar="CALIB.npz", help="inputs to calibrate on, never the tested")
    parser.add_argument("--reorder", action="store_true", help="reorder K so that fewer products are reduced")
    parser.add_argument("--recalibrate", action="store_true", help="correct integer biases, adapt weights")
    parser.add_argument("--keep-weights", action="store_true", help="with --recalibrate: correct the biases only")
    parser.add_argument("-o", "--output", default="model.sysmt", metavar="PROGRAM.sysmt", help="default model.sysmt")
    parser.add_argument("--c", metavar="FILE.h", help="the program as a C header, too, for an engine on a bus")


def _compile(args: argparse.Namespace) -> Result:
    target = output_file(args.output)
    header = None if args.c is None else output_file(args.c)
    config, larger = _engine(args)
    if header is not None:
        check_master(config)
    model = read_model(args.model)
    options = Options(
        budget=None if args.budget is None else args.budget / 100,
        speedup=args.speedup,
        reorder=args.reorder,
        recalibrate=args.recalibrate,
        keep_weights=args.keep_weights,
    )
    try:
        program = prepare(
            model,
            config,
            options,
            calibration=load(args.calibrate, model.network) if args.calibrate else None,
            threads=args.threads,
            larger=larger,
            log=progress,
        )
    except DoesNotFitError as error:
        raise UserError(f"model {str(args.model)!r}: {error}") from error
    if args.board is not None:
        program = replace(program, clock_hz=_board(args.board).clock_of(program.config))
    text = None if header is None else c_source(program)
    write_program(program, target)
    if header is not None and text is not None:
        write_together(header.parent, {header.name: text})
    report = program_cost(program, program_cycles(program))
    if program.config.stream is not None:
        waits = iter(_waits(program, report))
        for row in report["layers"]:
            row["waits"] = next(waits) if row["where"] == "engine" else None
    lines = [
        table([_row(row) for row in report["layers"]]),
        "",
        table(report["memories"]),
        "",
        f"{args.output}: about {report['cycles']} cycles per input"
        + ("" if report["milliseconds"] is None else f", {report['milliseconds']:.3g} ms"),
        *_from_sdram(program, report, args.board),
    ]
    return Result("\n".join(lines), report | {"file": str(target)})


def _on_engine(report: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for row in report["layers"] if row["where"] == "engine"]


def _waits(program: Program, report: dict[str, Any]) -> list[int]:
    """Cycles that every layer waits for its weights."""
    rows = _on_engine(report)
    return [row["cycles"] - least for row, least in zip(rows, computing_cycles(program), strict=True)]


def _from_sdram(program: Program, report: dict[str, Any], board: str | None) -> list[str]:
    """What there is to say of what comes from an SDRAM."""
    if program.config.stream is None:
        return []
    rows = _on_engine(report)
    read, waits = (sum(row[name] for row in rows) for name in ("sdram_bytes", "waits"))
    comes = {Memory(entry["memory"]) for chunk in chunks_of(program) for entry in chunk}
    names = [name for memory, name in FROM_SDRAM.items() if memory in comes]
    what = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    lines = [f"{read} bytes of {what} per input from the SDRAM, for which layers wait {waits} cycles"]
    if board is not None:
        lines.append(f"needs the bitstream of `sysmt build {board} --engine --stream`")
    return lines


def _board(name: str) -> "BoardDefinition":
    from sysmt.boards.definitions import board  # needs the extra `boards`

    return board(name)


def _engine(args: argparse.Namespace) -> tuple[EngineConfig, EngineConfig | None]:
    """The engine, and the one for networks that do not fit."""
    if args.board is None:
        config = with_settings(preset(args.preset or ENGINE, EngineConfig), args.settings)
        if args.stream and config.stream is None:
            config = replace(config, stream=SdramConfig())
        return config, None
    chosen = _board(args.board)
    config = with_settings(chosen.networks(stream=args.stream), args.settings)
    larger = None
    if config.stream is None and chosen.sdram is not None:
        larger = with_settings(chosen.networks(stream=True), args.settings)
    return config, larger


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("program", metavar="PROGRAM.sysmt", type=Path, help="a file that `sysmt compile` wrote")
    parser.add_argument("inputs", metavar="INPUTS.npz", type=Path, help="images or features, and optionally labels")
    parser.add_argument(
        "--on", default="golden", metavar="golden|rtl|PORT", help="golden engine, simulated Verilog, or a board's port"
    )
    add_port(parser)
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N inputs")
    parser.add_argument("-o", "--output", metavar="OUT.npy", help="the network's raw output tensor, a row per input")


def _run(args: argparse.Namespace) -> Result:
    target = None if args.output is None else output_file(args.output)
    program = read_program(args.program)
    inputs = load(args.inputs, program.ends, args.limit)
    with _executor(args.on, args.baud, program) as executor:
        outputs, report = execute(program, inputs, executor, _tell)
    if target is not None:
        content = io.BytesIO()
        np.save(content, outputs)
        write_together(target.parent, {target.name: content.getvalue()})
    lines = [table([_row(row) for row in report["layers"]]), ""]
    if report["top1"] is not None:
        lines.append(f"top-1 {100 * report['top1']:.2f} %, exact {100 * report['top1_exact']:.2f} %")
    lines.append(f"{100 * report['agree']:.2f} % of {report['inputs']} answers are the exact network's")
    lines.append(
        f"{report['cycles']} cycles per input"
        + ("" if report["milliseconds"] is None else f", {report['milliseconds']:.3g} ms")
    )
    if report.get("link_milliseconds") is not None:
        lines.append(f"{report['link_milliseconds']:.3g} ms per input on the link")
    if "equal" in report:
        lines.append(f"outputs are {'' if report['equal'] else 'NOT '}the golden engine's")
    return Result("\n".join(lines), report, code=int(not report.get("equal", True)))


@contextmanager
def _executor(on: str, baud: int, program: Program) -> Iterator[Executor | None]:
    """What the program runs on; None for the golden engine."""
    if on == "golden":
        yield None
    elif on == "rtl":
        from sysmt.sim.cosim.network import SimulatedEngine

        progress("compiling the engine's Verilog (minutes, once per configuration)")
        with SimulatedEngine(program.config) as gates:
            gates.load(program)
            yield gates
    else:
        from sysmt.boards.network import EngineBoard
        from sysmt.boards.transport import SerialTransport

        with EngineBoard(SerialTransport(on, baud), progress=progress) as board:
            board.load(program)
            yield board


def _tell(done: int, total: int) -> None:
    progress(f"{done} of {total} inputs")


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """A layer as people read it."""
    name, part, rest = row["name"].rpartition(" (")
    name = name.split(";")[0][-32:] + part + rest if part else row["name"].split(";")[0][-32:]
    short = row | {"name": name}
    return {key: "-" if value is None else value for key, value in short.items()}


COMPILE = Handler(_compile_arguments, _compile)
RUN = Handler(_run_arguments, _run)
