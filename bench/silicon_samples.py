# SPDX-License-Identifier: Apache-2.0
"""The configurations that the model of silicon is fitted to and tested on, and how one is measured."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from statistics import median
from typing import Any

from sysmt.base.errors import ConfigError
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
from sysmt.sim.cost.silicon.samples import FILE, Sample, load, sample_of, text
from sysmt.sim.flow import power
from sysmt.sim.flow.synthesis import CLOCK_MHZ, library_of, map_to, synthesise
from sysmt.sim.flow.workloads import jobs

from .area import cell_library

SIDES = (2, 3, 4, 5, 6, 8)
WORKLOAD = "digits"
NAME = "array"
SIMULATED = 16
"""PEs of an array whose energy is measured, at most: larger ones take minutes."""
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


def on_cells(config: ArrayConfig, name: str = NAME) -> Sample:
    """An array on sky130hd: area by block, flip-flops, clock; of a small one energy per multiply-accumulate."""
    library = cell_library()
    design = array_design(config, name)
    found = synthesise(design, library, progress=progress)
    measured: dict[str, Any] = {
        "area": found.area,
        "blocks": found.blocks,
        "flip_flops": found.ffs,
        "mhz": found.fmax_mhz,
        "tools": [found.tool, found.timing_tool],
    }
    if config.rows * config.cols <= SIMULATED:
        mapped = map_to(design, library_of(library), CLOCK_MHZ)
        spent = power.measure(mapped, design.manifest["ports"], config, WORKLOAD, jobs(WORKLOAD), progress=progress)
        measured |= {"femtojoules": spent.femtojoules, "energy_blocks": spent.mean("blocks")}
    return sample_of("sky130hd", config, measured)


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
        if seeds:
            speeds = [flow.route(seed).clocks[0].fmax_mhz for seed in range(1, seeds + 1)]
            measured |= {"mhz": median(speeds), "seeds": seeds}
        measured |= {"part": board.part.name, "tools": [f"{tool} {version}" for tool, version in flow.tools.items()]}
    return sample_of(board.part.family.name, config, measured)


def plan() -> Iterator[tuple[str, Config, Callable[[Any], Sample]]]:
    """Target, configuration and how it is measured, of all samples, the most telling ones first."""
    cells, small = arrays(40), BOARDS["icesugar_pro"]
    accels, engines_ = accelerators(14, 1, small, (2, 3, 4)), engines(12, 1, small, (2, 4))
    for name in ("os4", "sysmt2_4", "sysmt4_4", "os8", "os16", "sysmt2_16", "sysmt4_16"):
        yield "sky130hd", preset(name, ArrayConfig), partial(on_cells, name=name)
    yield from (("ecp5", config, partial(on_board, board=small, seeds=1)) for config in accels[:2])
    yield from (("sky130hd", config, on_cells) for config in cells[:5])
    yield from (("ecp5", config, partial(on_board, board=small)) for config in engines_[:2])
    yield from (("ecp5", config, partial(on_board, board=small, seeds=1)) for config in accels[2:6])
    yield from (("sky130hd", config, on_cells) for config in cells[5:10])
    yield from (("ecp5", config, partial(on_board, board=small)) for config in engines_[2:7])
    yield from (("sky130hd", config, on_cells) for config in cells[10:16])
    yield from (("ecp5", config, partial(on_board, board=small)) for config in accels[6:])
    yield from (("sky130hd", config, on_cells) for config in cells[16:24])
    yield from (("ecp5", config, partial(on_board, board=small)) for config in engines_[7:])
    yield from (("sky130hd", config, on_cells) for config in cells[24:])


def main() -> None:
    """Measure what is missing, and keep every sample at once."""
    kept = {sample.key: sample for sample in load()} if FILE.exists() else {}
    for target, config, measure in plan():
        key = sample_of(target, config, {}).key
        if key not in kept:
            progress(f"{target}: {key}")
            kept[key] = measure(config)
            write_together(FILE.parent, {FILE.name: text(kept.values())})


if __name__ == "__main__":
    main()
