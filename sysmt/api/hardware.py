# SPDX-License-Identifier: Apache-2.0
"""Verilog: generate, simulate, synthesise."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sysmt.base.arguments import checked
from sysmt.base.errors import UserError
from sysmt.base.extras import named
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.config import Config
from sysmt.hdl.params.presets import DEFAULT_ARRAY, PRESETS
from sysmt.sim.golden.product import Counters

from .configs import array_config, config_of

if TYPE_CHECKING:
    from sysmt.hdl.emit import Design
    from sysmt.sim.cost.silicon import Silicon
    from sysmt.sim.flow.synthesis import Synthesis


def presets() -> tuple[str, ...]:
    """Names of all presets: arrays, caches, TCAMs and accelerators.

    Examples
    --------
    >>> import sysmt
    >>> "sysmt2_8" in sysmt.presets()
    True
    """
    return tuple(PRESETS)


def generate(config: Config | str, name: str | None = None, ports: str = "native", **style: str) -> "Design":
    """Emit Verilog.

    Parameters
    ----------
    config : ArrayConfig, CacheConfig, TCAMConfig, AccelConfig or str
        What to generate; a string names a preset.
    name : str, optional
        Of the top module and the files: letters, digits and _, without __. By default the preset's, or `sysmt`.
    ports : "native" or "axis"
        Of an array, a cache or a TCAM: streams with a payload, or AXI4-Stream.
    style : str
        What fits the flow: `initial_values` "keep" or "none" (default "none" for arrays of standard cells), `reset`
        "sync" or "async", `memories` "inline" or "separate"; with `clock_gating`, `clock_gate_cell`, the cell that
        gates clocks, as `sysmt generate --clock-gate-cell` takes it.

    Returns
    -------
    Design
        `verilog` (text), `manifest` (ports, configuration, latency), `write(folder)` for NAME.v and NAME.json.

    Raises
    ------
    UserError
        There is no such preset, style or kind of ports, or the name is none of Verilog.

    Examples
    --------
    >>> import sysmt
    >>> design = sysmt.generate(sysmt.preset("os2", pipeline=1), name="small_array")
    >>> design.name, design.manifest["config"]["rows"]
    ('small_array', 2)
    """
    from sysmt.hdl.designs import check_name, default_style, design_of

    chosen = config_of(config, Config)
    name = name if name is not None else config if isinstance(config, str) else "sysmt"
    return design_of(chosen, check_name(name), default_style(chosen, **style), ports)


@dataclass(frozen=True, eq=False)
class Simulation:
    """What the simulated Verilog computed, counted, and how long it took.

    Parameters
    ----------
    sums : int32 [M, N]
    counters : Counters
        As those of `matmul`.
    cycles : int
        From the first step taken to the last row delivered.
    """

    sums: np.ndarray
    counters: Counters
    cycles: int


@named()
@checked
def simulate(
    x: np.ndarray,
    w: np.ndarray,
    config: ArrayConfig | str = DEFAULT_ARRAY,
    threads: int | None = None,
    waves: str | Path | None = None,
    simulator: str = "verilator",
    zero: int = 0,
) -> Simulation:
    """Multiply on the generated Verilog, simulated; it is compiled the first time (about a minute).

    Needs the extra `cosim`.

    Parameters
    ----------
    x : uint8 [M, K]
        Activations.
    w : int8 [K, N]
        Weights.
    config : ArrayConfig or str
        The array; a string names a preset. Its counters are switched on.
    threads : int, optional
        Threads to run on, if fewer than the array has.
    waves : path, optional
        Where to leave the waveform: .vcd of Verilator, .fst of Icarus.
    simulator : "verilator" or "icarus"
    zero : int
        As of `matmul`.

    Raises
    ------
    UserError
        As `matmul`; or a simulator or package is missing.

    Examples
    --------
    >>> import numpy as np, sysmt
    >>> x, w = np.full((2, 4), 3, np.uint8), np.full((4, 2), -2, np.int8)
    >>> simulation = sysmt.simulate(x, w, config="sysmt2_2")
    >>> simulation.sums.tolist(), simulation.cycles
    ([[-24, -24], [-24, -24]], 8)
    """
    from sysmt.sim.cosim.rtl import products
    from sysmt.sim.golden.kind import golden_of
    from sysmt.sim.golden.product import check_operands

    array = array_config(config).with_fields(counters=True)
    check_operands(x, w, array.pe)
    run = products([(x, w, threads)], array, simulator, waves=None if waves is None else Path(waves), zeros=[zero])
    counters = golden_of(array.pe).counters(**{name: run.counters[name] for name in array.pe.EVENTS})
    return Simulation(run.sums[0].astype(np.int32), counters, run.cycles)


@named()
def synthesise(
    design: "Design | Config | str",
    target: str = "generic",
    clock_mhz: float | None = None,
    seeds: int = 5,
) -> "Synthesis":
    """Synthesise: area by block, cells, and clock where the target tells. Needs the extra `silicon`.

    Parameters
    ----------
    design : Design, configuration or str
        What `generate` returns, or takes.
    target : str
        "generic" (gates of Yosys), a liberty file (.lib, .lib.gz), "ecp5", "ice40" or "gowin".
    clock_mhz : float, optional
        What cells are chosen for, and what is asked of the timing (default 100).
    seeds : int
        Placements on an FPGA; 0: resources only.

    Raises
    ------
    UserError
        The target is unknown, no part is large enough, or a tool is missing.

    Examples
    --------
    >>> import sysmt
    >>> result = sysmt.synthesise("os2")
    >>> result.blocks["multiplier"] > 0.2 * result.nand2
    True
    """
    from sysmt.hdl.emit import Design
    from sysmt.sim.flow.synthesis import CLOCK_MHZ
    from sysmt.sim.flow.synthesis import synthesise as run

    emitted = design if isinstance(design, Design) else generate(design)
    return run(emitted, target, CLOCK_MHZ if clock_mhz is None else clock_mhz, seeds)


def estimate(config: Config | str, target: str = "sky130hd") -> "Silicon":
    """Area, clock and energy in cells, or resources and clock on an FPGA, without synthesis.

    Predicted from configurations that were synthesised, each figure with its 95 % interval.

    Parameters
    ----------
    config : ArrayConfig, AccelConfig, EngineConfig or str
        A string names a preset.
    target : "sky130hd", "ecp5", "ice40" or "gowin"

    Raises
    ------
    UserError
        The target is unknown, or the configuration is none of these.

    Examples
    --------
    >>> import sysmt
    >>> area = sysmt.estimate("sysmt2_8").area
    >>> area.low < area.value < area.high
    True
    """
    from sysmt.hdl.params.accel import AccelConfig
    from sysmt.hdl.params.engine import EngineConfig
    from sysmt.sim.cost.silicon import predict

    chosen = config_of(config, Config)
    if not isinstance(chosen, ArrayConfig | AccelConfig | EngineConfig):
        raise UserError(f"config must be an array, an accelerator or an engine, not {type(chosen).__name__}")
    if not isinstance(target, str):
        raise UserError(f"target must be a name such as 'sky130hd', not {target!r}")
    return predict(chosen, target)
