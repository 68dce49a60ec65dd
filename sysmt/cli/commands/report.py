# SPDX-License-Identifier: Apache-2.0
"""`sysmt report`: area, clock, energy and cycles of arrays, or a program's cycles, as one page, Markdown or JSON.

And kinds of PE beside each other, from what was recorded of them.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.arguments import add_settings, output_file, settings
from sysmt.cli.output import Handler, Result, progress
from sysmt.report.facts import DEFAULT_PRESETS, ReportOptions, default_target, default_workload, gather
from sysmt.report.kinds import RECORD, gather_kinds
from sysmt.report.kinds_page import kinds_markdown, kinds_page, kinds_picture
from sysmt.report.markdown import markdown
from sysmt.report.page import page
from sysmt.report.program_facts import gather_program
from sysmt.report.program_page import program_markdown, program_page
from sysmt.sim.engine.file import read_program
from sysmt.sim.flow.simulate import DELAYS
from sysmt.sim.flow.synthesis import CLOCK_MHZ
from sysmt.sim.flow.workloads import WORKLOADS

Form = Callable[[dict[str, Any]], str | bytes]


def _json(facts: dict[str, Any]) -> str:
    return json.dumps(facts, indent=2) + "\n"


FORMATS: dict[str, Form] = {".html": page, ".md": markdown, ".json": _json}
PROGRAM_FORMATS: dict[str, Form] = {".html": program_page, ".md": program_markdown, ".json": _json}
KINDS_FORMATS: dict[str, Form] = {".html": kinds_page, ".png": kinds_picture, ".md": kinds_markdown, ".json": _json}

OTHER = ("presets", "target", "clock", "energy", "delays", "seeds", "settings")
"""Arguments of a report of presets."""


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "presets",
        nargs="*",
        metavar="PRESET",
        help=f"names that `sysmt list` prints (default {' '.join(DEFAULT_PRESETS)})",
    )
    parser.add_argument(
        "--program", metavar="PROGRAM.sysmt", type=Path, help="instead of presets: a file that `sysmt compile` wrote"
    )
    parser.add_argument(
        "--pe-kinds", action="store_true", help="instead of presets: every kind and policy of PE beside each other"
    )
    parser.add_argument(
        "--record", metavar="FILE", type=Path, help="with --pe-kinds: what `python -m bench kinds --record` kept"
    )
    endings = "the ending chooses: .html, .md, .json, and of --pe-kinds .png"
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help=endings)
    parser.add_argument("--target", metavar="T", help="as for synth (default: sky130hd when at hand, or generic)")
    parser.add_argument("--clock", type=float, metavar="MHZ", help=f"default {CLOCK_MHZ:g}")
    known = f"{', '.join(WORKLOADS)}, or none (default: resnet8 when at hand, or digits)"
    parser.add_argument("--energy", metavar="WORKLOAD", help=known)
    parser.add_argument("--delays", choices=DELAYS, help="how toggles are counted (default zero)")
    seeds = "placements on an FPGA; with cells, of our 8x8 arrays beside the open ones on an ECP5 (default 0: none)"
    parser.add_argument("--seeds", type=int, metavar="N", help=seeds)
    add_settings(parser)


def _run(args: argparse.Namespace) -> Result:
    path = output_file(args.output)
    if args.record is not None and not args.pe_kinds:
        raise UserError("--record must come with --pe-kinds: only that reads a record")
    forms, gather_facts = FORMATS, _arrays
    if args.pe_kinds:
        forms, gather_facts = KINDS_FORMATS, _kinds
    elif args.program is not None:
        forms, gather_facts = PROGRAM_FORMATS, _program
    form = forms.get(path.suffix)
    if form is None:
        raise UserError(f"output must end in {', '.join(forms)}, not {args.output!r}")
    facts, text = gather_facts(args)
    write_together(path.parent, {path.name: form(facts)})
    return Result(f"{path}: {text}", facts)


def _arrays(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The report of presets, and what it is of."""
    target = args.target or default_target()
    workload = default_workload(target) if args.energy is None else args.energy.replace("none", "")
    clock = CLOCK_MHZ if args.clock is None else args.clock
    options = ReportOptions(target, clock, workload, args.delays or DELAYS[0], args.seeds or 0, settings(args))
    facts = gather(args.presets or list(DEFAULT_PRESETS), options, progress)
    return facts, f"{len(facts['arrays'])} arrays on {facts['target']}"


def _program(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The report of a program, and what it is of."""
    _alone(args, "--program", "a program holds its configuration")
    facts = gather_program(read_program(args.program), args.program.stem, progress)
    return facts, f"{facts['cycles']} cycles per input on the engine"


def _kinds(args: argparse.Namespace) -> tuple[dict[str, Any], str]:
    """The report of kinds of PE, and what it is of."""
    _alone(args, "--pe-kinds", "it shows what is recorded")
    if args.program is not None:
        raise UserError("--pe-kinds must come without --program: they are two reports; leave one of them out")
    facts = gather_kinds(args.record or RECORD)
    best = sum(row["front"] for row in facts["rows"])
    return facts, f"{len(facts['rows'])} kinds and policies of PE, {best} of them best"


def _alone(args: argparse.Namespace, option: str, why: str) -> None:
    """Refuse arguments of a report of presets."""
    given = [name for name in OTHER if getattr(args, name) not in (None, [])]
    if given:
        name = {"presets": "presets", "settings": "--set"}.get(given[0], f"--{given[0]}")
        raise UserError(f"{option} must come without {name}: {why}; leave one of them out")


REPORT = Handler(_arguments, _run)
