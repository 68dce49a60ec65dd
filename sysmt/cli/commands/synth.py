# SPDX-License-Identifier: Apache-2.0
"""`sysmt synth`: area, cells and clock of any preset, in standard cells or on an FPGA."""

import argparse

from sysmt.base.errors import UserError
from sysmt.cli.arguments import add_settings
from sysmt.cli.output import Handler, Result, progress, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.sim.flow.energy import PARTS
from sysmt.sim.flow.power import PowerReport, measure
from sysmt.sim.flow.simulate import DELAYS
from sysmt.sim.flow.synthesis import CLOCK_MHZ, GENERIC, Synthesis, library_of, map_to, synthesise
from sysmt.sim.flow.workloads import WORKLOADS, jobs


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="a name that `sysmt list` prints")
    parser.add_argument(
        "--target",
        default="generic",
        metavar="T",
        help="generic (no library needed), a liberty file (.lib, .lib.gz), ecp5, ice40 or gowin (default generic)",
    )
    parser.add_argument(
        "--clock", type=float, metavar="MHZ", help="map for this clock, and exit with 1 when it is not met"
    )
    parser.add_argument("--hierarchy", action="store_true", help="list the modules; equal ones are one")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="placements on an FPGA (default 5; 0: none)")
    parser.add_argument(
        "--energy",
        nargs="?",
        const="digits",
        metavar="WORKLOAD",
        help=f"energy per MAC in cells, on {', '.join(WORKLOADS)} (default digits; resnet8 needs SYSMT_DATA)",
    )
    parser.add_argument(
        "--delays",
        choices=DELAYS,
        default="zero",
        help="how toggles are counted: zero leaves glitches out, unit counts them all (slower; default zero)",
    )
    add_settings(parser)


def _run(args: argparse.Namespace) -> Result:
    from sysmt.hdl.designs import design_of

    config = with_settings(preset(args.preset), args.settings)
    if args.energy is not None and not isinstance(config, ArrayConfig | SmtSaConfig):
        raise UserError(f"energy is measured on arrays only, not on {args.preset}: leave --energy out")
    if args.clock is not None and args.target == GENERIC:
        raise UserError(f"clock must go with a liberty file or an FPGA as target, not {GENERIC!r}, which has no timing")
    design = design_of(config, args.preset)
    clock = CLOCK_MHZ if args.clock is None else args.clock
    synthesis = synthesise(design, args.target, clock, args.seeds, progress=progress)
    facts = {"preset": args.preset, "config": config.as_dict()} | synthesis.as_dict()
    if not args.hierarchy:
        facts.pop("modules")
    energy = None
    if args.energy is not None and isinstance(config, ArrayConfig | SmtSaConfig):
        library = library_of(args.target)
        mapped = map_to(design, library, clock)
        loads = jobs(args.energy)
        energy = measure(mapped, design.manifest["ports"], config, args.energy, loads, args.delays, clock, progress)
        facts["energy"] = energy.as_dict()
    missed = synthesis.shortfall if args.clock is not None else None
    if missed:
        progress(missed)
    text = _text(args, synthesis) + (_energy_text(energy) if energy else "")
    return Result(text, facts | {"shortfall": missed}, code=int(missed is not None))


def _text(args: argparse.Namespace, synthesis: Synthesis) -> str:
    unit = "um2" if synthesis.area is not None else "NAND2"
    lines = [f"{args.preset} on {synthesis.library or synthesis.target}, by {synthesis.tool}"]
    if synthesis.area is not None:
        lines.append(f"area       {synthesis.area:.0f} um2 = {synthesis.nand2:.0f} NAND2 (no wires, no clock tree)")
    elif synthesis.nand2 is not None:
        lines.append(f"area       {synthesis.nand2:.0f} NAND2 = {4 * synthesis.nand2:.0f} transistors")
    lines.append(f"cells      {synthesis.cells}, of them {synthesis.ffs} flip-flops")
    if synthesis.luts is None and synthesis.ram_bits:
        lines.append(f"memories   {synthesis.ram_bits} bits of SRAM, not in the area")
    if synthesis.luts is not None:
        lines.append(f"LUTs       {synthesis.luts}, DSPs {synthesis.dsps}, RAM {synthesis.ram_bits} bits")
    if synthesis.period_ps is not None:
        seeds = f", median of {', '.join(f'{mhz:.4g}' for mhz in synthesis.fmax_seeds)}" if synthesis.fmax_seeds else ""
        lines.append(
            f"clock      {synthesis.fmax_mhz:.4g} MHz ({synthesis.period_ps:.0f} ps{seeds}), by {synthesis.timing_tool}"
        )
    if synthesis.blocks:
        whole = sum(synthesis.blocks.values())
        rows = [{"block": b, unit: round(a), "%": round(100 * a / whole, 1)} for b, a in synthesis.blocks.items()]
        lines += ["", table(rows)]
    if synthesis.paths:
        lines += ["", table([{"slowest into": p["module"], "ps": round(p["period_ps"])} for p in synthesis.paths])]
        lines.append(f"slowest: {synthesis.paths[0]['start']} -> {synthesis.paths[0]['end']}")
    if args.hierarchy and synthesis.modules:
        lines += ["", table([row | {"area": round(row["area"])} for row in synthesis.modules])]
    return "\n".join(lines)


def _energy_text(power: PowerReport) -> str:
    rows = [
        {"layer": layer.layer, "MAC/cycle": layer.macs_per_cycle, "fJ/MAC": layer.femtojoules}
        | {part: layer.parts[part] for part in PARTS}
        for layer in power.layers
    ]
    whole = power.femtojoules
    blocks = [{"block": b, "fJ/MAC": value, "%": 100 * value / whole} for b, value in power.mean("blocks").items()]
    head = f"energy     {whole:.1f} fJ per MAC on {power.workload} ({power.assumptions})"
    return f"\n\n{head}\n\n{table(rows)}\n\n{table(blocks)}"


SYNTH = Handler(_arguments, _run)
