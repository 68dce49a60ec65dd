# SPDX-License-Identifier: Apache-2.0
"""`sysmt generate`: Verilog and manifest of an array, a cache or a TCAM."""

import argparse
from pathlib import Path

from sysmt.cli.arguments import add_settings, with_settings
from sysmt.cli.output import Command, Result
from sysmt.hdl.params.presets import any_preset


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="a name that `sysmt list` prints")
    parser.add_argument("-o", "--output", default=".", metavar="DIR", help="folder for NAME.v and NAME.json")
    parser.add_argument("--name", help="name of the top module and of the files (default: PRESET)")
    add_settings(parser)


def _run(args: argparse.Namespace) -> Result:
    from sysmt.hdl.designs import check_name, design_of

    name = check_name(args.name or args.preset)
    design = design_of(with_settings(any_preset(args.preset), args), name)
    files = [str(path) for path in design.write(Path(args.output))]
    facts = {"files": files, "modules": len(design.modules), "bytes": len(design.verilog), **design.manifest}
    return Result(f"{files[0]}: {len(design.modules)} modules, {len(design.verilog)} bytes\n{files[1]}", facts)


GENERATE = Command(
    "generate",
    "Write an array, a cache or a TCAM as Verilog, with a manifest of its ports, layouts and configuration.",
    "sysmt generate sysmt2_8 --set policy=S+Aw --set pipeline=1 -o build",
    _arguments,
    _run,
)
