# SPDX-License-Identifier: Apache-2.0
"""From a board to its bitstream: emit, synthesise, refuse what cannot fit, place and route, check timing, pack."""

import json
import re
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.build.run import BuildPlan

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.hdl.designs import design_of
from sysmt.hdl.emit import Design
from sysmt.sim.flow import nextpnr, tools, yosys
from sysmt.sim.flow.netlist import load
from sysmt.sim.flow.parts import ICE40

from . import estimate
from .board import BoardDefinition
from .wrapper import Wrapper

TOP = "top"
ACCELERATOR = "sysmt_accelerator"


@dataclass(frozen=True)
class Bitstream:
    """A bitstream with its report and its manifest."""

    board: BoardDefinition
    content: bytes
    report: dict[str, Any]
    manifest: dict[str, Any]

    def write(self, folder: Path) -> list[Path]:
        """Write BOARD.bit (or .bin, .fs), BOARD.report.json and BOARD.json; all of them or none."""
        name = self.board.name
        return write_together(
            folder,
            {
                f"{name}{self.board.suffix}": self.content,
                f"{name}.report.json": json.dumps(self.report, indent=2) + "\n",
                f"{name}.json": json.dumps(self.manifest, indent=2) + "\n",
            },
        )


def plan(board: BoardDefinition, design: Design, dsp: bool) -> BuildPlan:
    """The files of all steps to a bitstream: sources, constraints, scripts."""
    options = [board.part.synthesis, *(["-dsp"] if dsp and board.part.family is ICE40 else [])]
    return board.platform().prepare(Wrapper(board, design), name=TOP, synth_opts=" ".join(options), verbose=True)


def steps(script: str) -> list[tuple[str, list[str]]]:
    """The (tool, arguments) of every command in a build script that Amaranth has made."""
    commands = []
    for variable, arguments in re.findall(r'^"\$(\w+)" (.*)$', script.replace("\\\n", " "), re.MULTILINE):
        tool = next((tool for tool in tools.TOOLS if re.sub(r"\W", "_", tool).upper() == variable), None)
        if tool is None:
            raise RuntimeError(f"build script calls {variable}, which no package here brings")
        commands.append((tool, shlex.split(arguments)))
    return commands


class Flow:
    """The steps to a bitstream, in a folder that vanishes; several seeds share one synthesis.

    Parameters
    ----------
    board : BoardDefinition
    config : AccelConfig or EngineConfig
    progress : callable
        Takes a line of text.
    check : bool
        Refuse what cannot fit.
    """

    def __init__(self, board: BoardDefinition, config: estimate.Held, progress: tools.Progress, check: bool = True):
        if check:
            estimate.check(board, config)
        self.board, self.config, self._check = board.at(board.clock_of(config)), config, check
        self._progress = progress
        self._scratch = tempfile.TemporaryDirectory(prefix="sysmt_")
        self._folder = Path(self._scratch.name)

    def __enter__(self) -> "Flow":
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def prepare(self) -> Design:
        """Emit the accelerator and write the files of all steps; returns the design. Every tool must be at hand."""
        self.design = design_of(self.config, ACCELERATOR)
        plan(self.board, self.design, self.config.array.pe.dsp).extract(str(self._folder))
        self._steps = steps((self._folder / f"build_{TOP}.sh").read_text())
        self.tools = {tools.TOOLS[tool].package: tools.package_version(tool) for tool, _ in self._steps}
        return self.design

    def synthesise(self) -> dict[str, int]:
        """Synthesise, and refuse a netlist that is larger than the part. Returns what it needs of each resource."""
        self._progress(f"{self.board.name}: synthesising {self._array()} for {self.board.part.name}")
        _, arguments = self._steps[0]
        yosys.run([f"script {arguments[-1]}"], self._folder, self._progress)
        netlist = next(path for name in ("json", "syn.json") if (path := self._folder / f"{TOP}.{name}").exists())
        used = self.board.part.family.used(load(netlist, TOP).cells)
        if self._check:
            estimate.refuse_larger(self.board, used, self.config)
        return used

    def route(self, seed: int) -> nextpnr.Routed:
        """Place and route; timing may fail, which the caller must look at."""
        self._progress(f"{self.board.name}: place and route, seed {seed} (minutes)")
        tool, arguments = self._steps[1]
        clock_mhz = self.board.clock_hz / 1e6
        return nextpnr.place_and_route(tool, arguments, self._folder, seed, clock_mhz, self._progress)

    def pack(self) -> bytes:
        """The bitstream of the last route."""
        tool, arguments = self._steps[2]
        tools.run(tool, arguments, self._folder, self._progress)
        return (self._folder / f"{TOP}{self.board.suffix}").read_bytes()

    def _array(self) -> str:
        array = self.config.array
        return f"{array.rows}x{array.cols}x{array.pe.threads}"


def build(board: BoardDefinition, config: estimate.Held, preset: str, seed: int, progress: tools.Progress) -> Bitstream:
    """Build the bitstream of `config` for `board`.

    Raises
    ------
    UserError
        It does not fit, a tool is missing, or timing is not met: the message has the slack.
    """
    with Flow(board, config, progress) as flow:
        design, board = flow.prepare(), flow.board
        flow.synthesise()
        routed = flow.route(seed)
        check_timing(board, routed, seed)
        content = flow.pack()
    facts = {
        "board": board.name,
        "part": board.part.name,
        "preset": preset,
        "seed": seed,
        "clock_mhz": board.clock_hz / 1e6,
        "baud": board.baud,
        "peak_mac_per_s": estimate.peak(board, config),
        "utilisation": routed.utilisation,
        "timing": [clock.as_dict() for clock in routed.clocks],
        "tools": flow.tools,
    }
    in_manifest = ("board", "part", "preset", "seed", "clock_mhz", "baud", "tools")
    manifest = design.manifest | {"bitstream": {name: facts[name] for name in in_manifest}}
    return Bitstream(board, content, facts, manifest)


def check_timing(board: BoardDefinition, routed: nextpnr.Routed, seed: int) -> None:
    """Refuse a clock that is slower than it must be."""
    worst = routed.clocks[0]
    if worst.slack_ns < 0:
        raise UserError(
            f"timing is not met on {board.name} with seed {seed}: clock {worst.clock} reaches {worst.fmax_mhz:.2f} of "
            f"{worst.asked_mhz:.2f} MHz, slack {worst.slack_ns:.3f} ns; try another --seed or a smaller preset"
        )
