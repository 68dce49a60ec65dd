# SPDX-License-Identifier: Apache-2.0
"""`sysmt report`: area, clock, energy and cycles of arrays as one page, as Markdown or as JSON."""

import argparse
import json
from collections.abc import Callable
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.arguments import add_settings, output_file, settings
from sysmt.cli.output import Handler, Result, progress
from sysmt.report.facts import DEFAULT_PRESETS, ReportOptions, default_target, default_workload, gather
from sysmt.report.markdown import markdown
from sysmt.report.page import page
from sysmt.sim.flow.simulate import DELAYS
from sysmt.sim.flow.synthesis import CLOCK_MHZ
from sysmt.sim.flow.workloads import WORKLOADS

FORMATS: dict[str, Callable[[dict[str, Any]], str]] = {
    ".html": page,
    ".md": markdown,
    ".json": lambda facts: json.dumps(facts, indent=2) + "\n",
}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "presets",
        nargs="*",
        default=list(DEFAULT_PRESETS),
        metavar="PRESET",
        help=f"names that `sysmt list` prints (default {' '.join(DEFAULT_PRESETS)})",
    )
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the ending chooses: .html, .md, .json")
    parser.add_argument("--target", metavar="T", help="as for synth (default: sky130hd when at hand, or generic)")
    parser.add_argument("--clock", type=float, default=CLOCK_MHZ, metavar="MHZ", help=f"default {CLOCK_MHZ:g}")
    known = f"{', '.join(WORKLOADS)}, or none (default: resnet8 when at hand, or digits)"
    parser.add_argument("--energy", metavar="WORKLOAD", help=known)
    parser.add_argument("--delays", choices=DELAYS, default="zero", help="how toggles are counted (default zero)")
    seeds = "placements on an FPGA; with cells, of our 8x8 arrays beside the open ones on an ECP5 (default 0: none)"
    parser.add_argument("--seeds", type=int, default=0, metavar="N", help=seeds)
    add_settings(parser)


def _run(args: argparse.Namespace) -> Result:
    path = output_file(args.output)
    form = FORMATS.get(path.suffix)
    if form is None:
        raise UserError(f"output must end in {', '.join(FORMATS)}, not {args.output!r}")
    target = args.target or default_target()
    workload = default_workload(target) if args.energy is None else args.energy.replace("none", "")
    options = ReportOptions(target, args.clock, workload, args.delays, args.seeds, settings(args))
    facts = gather(args.presets, options, progress)
    write_together(path.parent, {path.name: form(facts)})
    return Result(f"{path}: {len(facts['arrays'])} arrays on {facts['target']}", facts)


REPORT = Handler(_arguments, _run)
