# SPDX-License-Identifier: Apache-2.0
"""From a board to its bitstream: emit, synthesise, refuse what cannot fit, place and route, check timing, pack."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amaranth.build.run import BuildPlan

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.hdl.designs import accel_design
from sysmt.hdl.emit import Design
from sysmt.hdl.params.accel import AccelConfig

from . import estimate, report, tools
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
    options = [board.part.synthesis, *(["-dsp"] if dsp and board.part.family == "ice40" else [])]
    return board.platform().prepare(Wrapper(board, design), name=TOP, synth_opts=" ".join(options), verbose=True)


class Flow:
    """The steps to a bitstream, in a folder that vanishes; several seeds share one synthesis.

    Parameters
    ----------
    board : BoardDefinition
    config : AccelConfig
    progress : callable
        Takes a line of text.
    check : bool
        Refuse what cannot fit.
    """

    def __init__(self, board: BoardDefinition, config: AccelConfig, progress: tools.Progress, check: bool = True):
        if check:
            estimate.check(board, config)
        self.board, self.config, self._check = board, config, check
        self._progress = progress
        self._scratch = tempfile.TemporaryDirectory(prefix="sysmt_")
        self._place = Path(self._scratch.name)
        self.cells: dict[str, int] = {}

    def __enter__(self) -> "Flow":
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def prepare(self) -> Design:
        """Emit the accelerator and write the files of all steps; returns the design. Every tool must be at hand."""
        self.design = accel_design(self.config, ACCELERATOR)
        plan(self.board, self.design, self.config.array.pe.dsp).extract(str(self._place))
        self._steps = tools.steps((self._place / f"build_{TOP}.sh").read_text())
        self.tools = tools.versions([tool for tool, _ in self._steps])
        return self.design

    def synthesise(self) -> dict[str, int]:
        """Synthesise, and refuse a netlist that is larger than the part. Returns what it needs of each resource."""
        self._progress(f"{self.board.name}: synthesising {self._array()} for {self.board.part.name}")
        self._run(0)
        netlist = next(path for path in self._place.glob("*.json") if path.name in (f"{TOP}.json", f"{TOP}.syn.json"))
        self.cells = report.cells(netlist.read_text(), TOP)
        used = self.board.part.used(self.cells)
        if self._check:
            estimate.refuse_larger(self.board, used, self._array())
        return used

    def route(self, seed: int) -> report.Routed:
        """Place and route; timing may fail, which the caller must look at."""
        self._progress(f"{self.board.name}: place and route, seed {seed} (minutes)")
        asked = f"{self.board.clock_hz / 1e6:.6g}"
        self._run(1, "--seed", str(seed), "--freq", asked, "--timing-allow-fail", "--report", "report.json")
        return report.routed((self._place / "report.json").read_text())

    def pack(self) -> bytes:
        """The bitstream of the last route."""
        self._run(2)
        return (self._place / f"{TOP}{self.board.suffix}").read_bytes()

    def _run(self, number: int, *more: str) -> None:
        tool, arguments = self._steps[number]
        tools.run(tool, [*more, *arguments], self._place, self._progress, self._place / f"{tool}.log")

    def _array(self) -> str:
        array = self.config.array
        return f"{array.rows}x{array.cols}x{array.pe.threads}"


def build(board: BoardDefinition, config: AccelConfig, preset: str, seed: int, progress: tools.Progress) -> Bitstream:
    """Build the bitstream of `config` for `board`.

    Raises
    ------
    UserError
        It does not fit, a tool is missing, or timing is not met: the message has the slack.
    """
    with Flow(board, config, progress) as flow:
        design = flow.prepare()
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
        "timing": [timing.as_dict() for timing in routed.timings],
        "tools": flow.tools,
    }
    kept = ("board", "part", "preset", "seed", "clock_mhz", "baud", "tools")
    manifest = design.manifest | {"bitstream": {name: facts[name] for name in kept}}
    return Bitstream(board, content, facts, manifest)


def check_timing(board: BoardDefinition, routed: report.Routed, seed: int) -> None:
    """Refuse a clock that is slower than it must be."""
    worst = routed.timings[0]
    if worst.slack_ns < 0:
        raise UserError(
            f"timing is not met on {board.name} with seed {seed}: clock {worst.clock} reaches {worst.fmax_mhz:.2f} of "
            f"{worst.asked_mhz:.2f} MHz, slack {worst.slack_ns:.3f} ns; try another --seed or a smaller preset"
        )
