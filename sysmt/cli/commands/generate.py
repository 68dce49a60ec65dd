# SPDX-License-Identifier: Apache-2.0
"""`sysmt generate`: Verilog and manifest of any design, and what other tools want beside them."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sysmt.base.errors import UserError
from sysmt.cli.arguments import add_settings
from sysmt.cli.output import Handler, Result
from sysmt.hdl.packaging import CLOCK_MHZ, package
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.cache import CacheConfig, TCAMConfig
from sysmt.hdl.params.config import Config
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.link import LINKS
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.hdl.params.styles import CHOICES, PORTS

if TYPE_CHECKING:
    from sysmt.hdl.emit import Design

STYLES = {
    "initial_values": "initial values of registers and memories (default: none for an array with target=asic)",
    "reset": "reset at the edge of the clock, or at once (default sync)",
    "memories": "memories inside, or in NAME_memories.v, a module per shape that a macro can stand in for (default "
    "inline)",
}
"""What fits the flow that the Verilog goes into; `sysmt.hdl.style.Style` has the same names."""
TESTED = ArrayConfig | CacheConfig | TCAMConfig | AccelConfig | EngineConfig
"""What there are testbenches of."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="a name that `sysmt list` prints")
    parser.add_argument(
        "-o", "--output", default=".", metavar="DIR", help="folder for NAME.v, NAME.json and what belongs to them"
    )
    parser.add_argument(
        "--name", help="name of the top module and of the files (default: PRESET and what is set, as os4_rows3)"
    )
    parser.add_argument(
        "--link",
        metavar="L",
        help=f"how the host reaches an accelerator or an engine: {', '.join(LINKS)}; on a bus, driver and registers "
        "are written, too (`--set data_width=N` chooses the bus)",
    )
    parser.add_argument(
        "--ports",
        choices=PORTS,
        default="native",
        help="ports of an array, a cache or a TCAM: streams with a payload (native), or AXI4-Stream (axis), whose "
        "layout of bytes the head of the Verilog tells (sysmt generate os4 --ports axis)",
    )
    parser.add_argument(
        "--prefix",
        metavar="P",
        help="P_ before the name of every module and file, so that two designs stand in one chip (--prefix left)",
    )
    parser.add_argument(
        "--package",
        action="store_true",
        help="write NAME.core (FuseSoC), NAME.sdc (constraints), NAME.f (filelist) and NAME_inst.v (template of an "
        "instance), too",
    )
    parser.add_argument(
        "--testbench",
        action="store_true",
        help="write NAME_tb.v, too: a self-checking testbench in plain Verilog with vectors of the golden model, for "
        "arrays, caches, TCAMs, and accelerators and engines on uart, axi or wishbone; its head says how to run it",
    )
    parser.add_argument(
        "--clock", type=float, metavar="MHZ", help=f"with --package: clock of the constraints (default {CLOCK_MHZ:g})"
    )
    for name, text in STYLES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", choices=CHOICES[name], help=text)
    parser.add_argument(
        "--clock-gate-cell",
        metavar="CELL[:PORTS]",
        help="with --set clock_gating=true: registers behind instances of this cell of your library, with its ports "
        "clock, enable, test (tied low; may be left out), output (default CLK,EN,TE,Q), as "
        "sky130_fd_sc_hd__dlclkp_1:CLK,GATE,GCLK",
    )
    add_settings(parser)


def _run(args: argparse.Namespace) -> Result:
    from sysmt.hdl.designs import check_name, default_name, default_style, design_of

    if args.clock is not None and not args.package:
        raise UserError(f"--clock {args.clock:g} is for the constraints that --package writes; add it")
    settings = [*args.settings, *([f"link={args.link}"] if args.link is not None else [])]
    base = config = preset(args.preset)
    if args.link is not None and not isinstance(config, AccelConfig | EngineConfig):
        raise UserError(f"--link {args.link} is for an accelerator or an engine, not {args.preset}: take accel_<array>")
    config = with_settings(config, settings)
    if args.ports != "native" and not isinstance(config, ArrayConfig | CacheConfig | TCAMConfig):
        way_out = "take --link axi-stream" if isinstance(config, AccelConfig | EngineConfig) else "leave it out"
        raise UserError(
            f"--ports {args.ports} is for arrays (os, sysmt, sparq), caches and TCAMs, not {args.preset}: {way_out}"
        )
    name = check_name(default_name(args.preset, base, config, args.ports) if args.name is None else args.name)
    if args.prefix is not None:
        name = check_name(f"{check_name(args.prefix, 'prefix')}_{name}")
    if args.testbench and args.ports != "native":
        raise UserError(f"--testbench is for native ports, not --ports {args.ports}: leave one of them out")
    if args.testbench and not isinstance(config, TESTED):
        kinds = "an array, a cache, a TCAM, an accelerator or an engine"
        raise UserError(f"--testbench is for {kinds}, not {args.preset}: take one of those, or leave it out")
    if args.testbench and isinstance(config, AccelConfig | EngineConfig):
        from sysmt.boards.testbench import check_device

        check_device(config)
    style = default_style(config, args.clock_gate_cell, **{choice: getattr(args, choice) for choice in STYLES})
    design = design_of(config, name, style, args.ports)
    if args.testbench:
        models = style.clock_gate.model if style.clock_gate else ""
        design = replace(design, files={**design.files, f"{name}_tb.v": _testbench(config, design, models)})
    if args.package:
        clock_mhz = CLOCK_MHZ if args.clock is None else args.clock
        more = package(design.name, design.manifest, tuple(design.texts), clock_mhz)
        design = replace(design, files={**design.files, **more})
    files = [str(path) for path in design.write(Path(args.output))]
    facts = {"files": files, "modules": len(design.modules), "bytes": len(design.verilog), **design.manifest}
    return Result(
        f"{files[0]}: {len(design.modules)} modules, {len(design.verilog)} bytes\n" + "\n".join(files[1:]), facts
    )


def _testbench(config: Config, design: "Design", models: str) -> str:
    if isinstance(config, AccelConfig | EngineConfig):
        from sysmt.boards.testbench import device_testbench

        return device_testbench(config, design, models)
    if isinstance(config, CacheConfig):
        from sysmt.sim.cosim.testbench_cache import cache_testbench

        return cache_testbench(config, design)
    if isinstance(config, TCAMConfig):
        from sysmt.sim.cosim.testbench_tcam import tcam_testbench

        return tcam_testbench(config, design)
    from sysmt.sim.cosim.testbench import testbench

    assert isinstance(config, ArrayConfig)
    return testbench(config, design, models)


GENERATE = Handler(_arguments, _run)
