# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.silicon_samples`: synthesises configurations that the model of silicon is fitted to and tested on.

Each is kept in `sim/cost/silicon/samples.json` at once; what is there is not synthesised again. An FPGA takes
minutes per sample.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from statistics import median
from typing import Any

from sysmt.base.errors import ConfigError, UserError
from sysmt.base.files import write_together
from sysmt.boards.definitions import BOARDS
from sysmt.boards.flow.board import BoardDefinition
from sysmt.boards.flow.build import Flow
from sysmt.cli.output import progress
from sysmt.hdl.designs import array_design
from sysmt.hdl.params.accel import accel_config, divisor_of
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.config import Config
from sysmt.hdl.params.engine import engine_config
from sysmt.hdl.params.kinds.sparq import WINDOWS
from sysmt.hdl.params.policy import POLICIES
from sysmt.hdl.params.presets import preset
from sysmt.sim.cost.silicon import TARGETS
from sysmt.sim.cost.silicon.samples import FILE, Sample, load, sample_of, text
from sysmt.sim.flow import area, power, sta, yosys
from sysmt.sim.flow.liberty import CellLibrary
from sysmt.sim.flow.streams import Job
from sysmt.sim.flow.synthesis import CLOCK_MHZ, library_of, map_to
from sysmt.sim.flow.workloads import jobs

from . import boards, clusters, windows
from . import kinds as kinds_
from .area import cell_library

SIDES = (2, 3, 4, 5, 6, 8)
WORKLOAD = "resnet8"
NAME = "array"
PLACED = ("ice40_hx8k", "icebreaker", "icesugar_pro", "colorlight_5a75b", "tang_nano_9k", "ulx3s")
"""Boards whose recorded designs are samples; on the others the same ones are placed."""
TIMED = ("ice40_hx8k", "icesugar_pro", "colorlight_5a75b", "tang_nano_9k", "ulx3s")
"""Boards with an ECP5 of speed grade 6, an iCE40HX8K or a GW1NR-9C; other parts have other clocks."""
ROUTED_FOR = {"ice40_hx8k": 36e6}
"""Clock that samples are routed for, where that is not the board's own."""
CELLS_OF_BOTH = ("ice40",)
"""Families that count logic cells, of a LUT, a flip-flop or both: how many a netlist takes only its placement says."""
RESOURCES = {"luts": "LUT", "flip_flops": "FF", "dsps": "DSP", "rams": "RAM"}


def arrays(number: int, seed: int = 1) -> list[ArrayConfig]:
    """Random arrays for standard cells: size, kind, threads, policy, pipeline, drain, cluster, counters, fuse."""
    choose = random.Random(seed)
    found: list[ArrayConfig] = []
    while len(found) < number:
        try:
            config = ArrayConfig().with_fields(**_fields(choose))
        except ConfigError:
            continue
        if config not in found:
            found.append(config)
    return found


def _fields(choose: random.Random) -> dict[str, Any]:
    fields: dict[str, Any] = {"rows": choose.choice(SIDES), "cols": choose.choice(SIDES)}
    fields |= {"pipeline": choose.choice((0, 1)), "drain": choose.choice(("overlap", "overlap", "in_place"))}
    fields |= {"counters": choose.random() < 0.5, "cluster": choose.choice((1, 1, 1, 2, 4))}
    if choose.random() < 0.3:
        fields |= {"kind": "sparq", "pairs": choose.choice((1, 2, 4)), "window": choose.choice(list(WINDOWS))}
        return fields | {"vsparq": choose.random() < 0.7}
    return fields | {"threads": choose.choice((1, 2, 4)), "policy": choose.choice(list(POLICIES))}


def on_cells(config: ArrayConfig, name: str = NAME, energy: bool = False) -> Sample:
    """An array on sky130hd: area by block, flip-flops, clock; if asked for, energy per multiply-accumulate."""
    library = _library()
    design = array_design(config, name)
    mapped = map_to(design, library, CLOCK_MHZ, progress=progress)
    sizes, times = area.measure(mapped), sta.measure(mapped, library, 1e6 / CLOCK_MHZ)
    measured: dict[str, Any] = {
        "area": sizes.total,
        "blocks": sizes.blocks,
        "flip_flops": sizes.ffs,
        "mhz": 1e6 / times.period_ps,
        "tools": [yosys.version(), times.tool],
    }
    if energy:
        spent = power.measure(mapped, design.manifest["ports"], config, WORKLOAD, _operands(), progress=progress)
        measured |= {"femtojoules": spent.femtojoules, "energy_blocks": spent.mean("blocks")}
    return sample_of("sky130hd", config, measured)


@cache
def _library() -> CellLibrary:
    return library_of(cell_library())


@cache
def _operands() -> list[Job]:
    return jobs(WORKLOAD)


def accelerators(number: int, seed: int, board: BoardDefinition, sides: tuple[int, ...]) -> list[Config]:
    """Random accelerators for a board."""
    choose = random.Random(seed)

    def draw() -> Config:
        changes = dict(board.buffers) | {"requantize": choose.random() < 0.6, "depth": choose.choice((128, 256, 512))}
        return accel_config(_for_fpga(choose, board, sides), divisor=_divisor(board), **changes)

    return _drawn(draw, number)


def engines(number: int, seed: int, board: BoardDefinition, sides: tuple[int, ...]) -> list[Config]:
    """Random engines for a board; half of them with an SDRAM."""
    choose = random.Random(seed)

    def draw() -> Config:
        lanes = choose.choice((1, 2, 4))
        sizes = board.engine | {
            "lanes": lanes,
            "add_lanes": choose.choice((1, lanes)),
            "fill": choose.choice((1, 2, 4)),
        }
        sizes |= {"patch": choose.choice((1, 1, 2, 4))}
        if choose.random() < 0.5:
            sizes |= board.streaming | {"stream": board.memory}
        return engine_config(_for_fpga(choose, board, sides), divisor=_divisor(board), **sizes)

    return _drawn(draw, number)


def _for_fpga(choose: random.Random, board: BoardDefinition, sides: tuple[int, ...]) -> ArrayConfig:
    fields = _fields(choose) | {"target": "fpga", "cluster": 1, "pipeline": choose.choice((0, 1, 2, 3, 3))}
    fields |= {"rows": choose.choice(sides), "cols": choose.choice(sides)}
    if board.part.dsps:
        fields |= {"dsp": choose.random() < 0.2}
    return ArrayConfig().with_fields(**fields)


def _divisor(board: BoardDefinition) -> int:
    return divisor_of(board.clock_hz, board.baud)


def _drawn(draw: Callable[[], Config], number: int) -> list[Config]:
    """Different ones that can be."""
    found: list[Config] = []
    while len(found) < number:
        try:
            config = draw()
        except ConfigError:
            continue
        if config not in found:
            found.append(config)
    return found


def on_board(config: Any, board: BoardDefinition, seeds: int = 0) -> Sample:
    """A design on a board: LUTs, flip-flops, DSPs and blocks of RAM of the netlist; with seeds, its clock."""
    measured: dict[str, Any] = {}
    with Flow(board, config, progress, check=False) as flow:
        flow.prepare()
        used = flow.synthesise()
        measured |= {name: used[resource] for name, resource in RESOURCES.items()}
        if board.part.family.name in CELLS_OF_BOTH:
            del measured["luts"]
        if seeds:
            speeds = [flow.route(seed).clocks[0].fmax_mhz for seed in range(1, seeds + 1)]
            measured |= {"mhz": median(speeds), "seeds": seeds}
        measured |= {"part": board.part.name, "tools": [f"{tool} {version}" for tool, version in flow.tools.items()]}
    return sample_of(board.part.family.name, config, measured)


def plan() -> Iterator[tuple[str, Config, Callable[[Any], Sample]]]:
    """Target, configuration and how it is measured, of all samples, the most telling ones first.

    What other measurements synthesise too has their names, so that it is synthesised once.
    """
    cells, small = arrays(40), BOARDS["icesugar_pro"]
    accels, engines_ = accelerators(14, 1, small, (2, 3, 4)), engines(12, 1, small, (2, 4))

    def named(name: str, **fields: Any) -> tuple[str, Config, Callable[[Any], Sample]]:
        return "sky130hd", preset(name, ArrayConfig, **fields), partial(on_cells, name=name, energy=True)

    def kinds(*numbers: int) -> Iterator[tuple[str, Config, Callable[[Any], Sample]]]:
        found = list(kinds_.plans())
        for number in numbers:
            yield "sky130hd", kinds_.config_of(*found[number]), partial(on_cells, name=kinds_.BASE, energy=True)

    def clustered(*numbers: int) -> Iterator[tuple[str, Config, Callable[[Any], Sample]]]:
        for number in numbers:
            name, fields, cluster = clusters.PLANS[number]
            yield named(name, cluster=cluster, **fields)

    def optioned() -> Iterator[tuple[str, Config, Callable[[Any], Sample]]]:
        """Arrays for 2:4 weights."""
        for name, fields in windows.PLANS:
            if fields.get("stc"):
                config = preset(name, ArrayConfig, counters=False, **fields)
                yield "sky130hd", config, partial(on_cells, name=name, energy=name == "sparq_8")

    def placed(*configs: Config, board: str = "icesugar_pro") -> Iterator[tuple[str, Config, Callable[[Any], Sample]]]:
        made = partial(on_board, board=BOARDS[board])
        yield from ((BOARDS[board].part.family.name, config, made) for config in configs)

    def random_cells(first: int, last: int) -> Iterator[tuple[str, Config, Callable[[Any], Sample]]]:
        yield from (("sky130hd", config, on_cells) for config in cells[first:last])

    def timed(name: str, rows: int, cols: int, **fields: Any) -> tuple[str, Config, Callable[[Any], Sample]]:
        """Placed and routed: whether it can be, and its clock."""
        board = BOARDS[name].at(ROUTED_FOR.get(name, BOARDS[name].clock_hz))
        made = partial(on_board, board=board, seeds=1)
        return board.part.family.name, board.accelerator(rows=rows, cols=cols, **fields), made

    # The largest that can be routed, and the smallest: clocks fall with the size.
    yield from (timed("icesugar_pro", 6, 7), timed("icesugar_pro", 2, 2))
    # A second SDRAM: of one alone a clock held out from its fit says nothing.
    streamed, made = BOARDS["icesugar_pro"], partial(on_board, board=BOARDS["icesugar_pro"], seeds=1)
    yield streamed.part.family.name, streamed.networks("sysmt2_2", stream=True), made
    # Small parts, where one is routed in minutes: one trait after the other.
    plain, two = {"threads": 1, "dsp": False}, {"threads": 2, "dsp": False}
    for name in ("ice40_hx8k", "tang_nano_9k"):
        yield from (timed(name, 2, 2, pipeline=3, **plain), timed(name, 2, 2, pipeline=1, **two))
    yield from (timed("ice40_hx8k", 1, 2, pipeline=3, **two), timed("tang_nano_9k", 2, 4, pipeline=3, **two))
    yield from (timed("ice40_hx8k", 2, 2, pipeline=0, **plain), timed("tang_nano_9k", 3, 3, pipeline=0, **plain))
    yield from placed(engines_[4], BOARDS["icesugar_pro"].accelerator())
    for name in ("tang_nano_9k", "ice40_hx8k"):
        yield from placed(BOARDS[name].accelerator(), board=name)
    yield from placed(engines_[0], accels[7])
    yield from kinds(0, 6, 1, 4, 10, 13, 16, 17, 18, 21)
    yield from (named("os4"), named("sysmt2_4"), named("sysmt4_4"), named("os8", drain="in_place"))
    yield from clustered(1, 2, 9)
    yield from optioned()
    yield from placed(*accels[:2])
    yield from random_cells(14, 16)
    yield from kinds(11, 12, 24, 25)
    yield from placed(engines_[7], accels[6], engines_[1])
    yield from random_cells(0, 4)
    for name in ("tang_nano_9k", "ice40_hx8k"):
        yield from placed(BOARDS[name].accelerator("os2", counters=False), board=name)
    yield from placed(accels[5], engines_[3], BOARDS["icesugar_pro"].networks(stream=True))
    yield from kinds(2, 3, 5, 7, 8, 9, 14, 15)
    yield from placed(accels[2], *engines_[5:7])
    yield from clustered(3, 4, 5, 6, 7, 8, 10, 11)
    yield from kinds(19, 20, 22, 23, 26, 27, 28, 29, 30)
    yield from (named(name, clock_gating=True) for name in ("os16", "sysmt2_16", "sysmt4_16"))
    yield from placed(*accels, *engines_)
    yield from random_cells(0, 40)


def routed() -> Iterator[Sample]:
    """What `python -m bench.boards --record` kept of today's configurations: placed, not only synthesised."""
    for row in boards.load().values():
        board, config = BOARDS[row["board"]], boards.config_of(row)
        same = (row["dsp"] == "yes", row["pipeline"]) == (config.array.pe.dsp, config.array.pe.pipeline)
        if same and board.name in PLACED:
            measured: dict[str, Any] = {"placed": True, "part": board.part.name}
            for name, resource in RESOURCES.items():
                if resource in row:
                    measured[name] = int(row[resource].split()[0])
            if board.name in TIMED:
                measured |= {"mhz": row["MHz"], "seeds": row["seeds"]}
            yield sample_of(board.part.family.name, config, measured)


def main(argv: list[str] | None = None) -> int:
    """Measure what is missing, and keep every sample at once. Returns 2, with one line, when a tool is missing."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.silicon_samples",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.silicon_samples ecp5 --most 3",
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"which of {', '.join(TARGETS)} (default: all)")
    parser.add_argument("--most", type=int, metavar="N", help="synthesise so many at most (default: all of the plan)")
    args = parser.parse_args(argv)
    unknown = [name for name in args.targets if name not in TARGETS]
    if unknown:
        parser.error(f"TARGET must be one of {', '.join(TARGETS)}, not {unknown[0]}")
    # What a board had before stays a sample of what it was.
    for sample in routed():
        _keep(sample)
    known = {sample.key for sample in load()}
    missing = [step for step in plan() if sample_of(step[0], step[1], {}).key not in known]
    wanted = [step for step in missing if not args.targets or step[0] in args.targets]
    try:
        for target, config, measure in wanted[: args.most]:
            progress(f"{target}: {sample_of(target, config, {}).key}")
            _keep(measure(config))
    except UserError as error:
        print(f"bench.silicon_samples: {error}", file=sys.stderr)
        return 2
    return 0


def _keep(sample: Sample) -> None:
    """Add what was measured to the file."""
    _write(({each.key: each for each in load()} | {sample.key: sample}).values())


def _write(samples: Iterable[Sample]) -> None:
    write_together(FILE.parent, {FILE.name: text(samples)})


if __name__ == "__main__":
    sys.exit(main())
