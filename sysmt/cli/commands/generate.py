# SPDX-License-Identifier: Apache-2.0
"""`sysmt generate`: Verilog and manifest of an array, a cache, a TCAM or an accelerator."""

import argparse
from pathlib import Path

from sysmt.cli.arguments import add_settings
from sysmt.cli.output import Handler, Result
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import with_settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="a name that `sysmt list` prints")
    parser.add_argument("-o", "--output", default=".", metavar="DIR", help="folder for NAME.v and NAME.json")
    parser.add_argument("--name", help="name of the top module and of the files (default: PRESET)")
    add_settings(parser)


def _run(args: argparse.Namespace) -> Result:
    from sysmt.hdl.designs import check_name, design_of

    name = check_name(args.preset if args.name is None else args.name)
    design = design_of(with_settings(preset(args.preset), args.settings), name)
    files = [str(path) for path in design.write(Path(args.output))]
    facts = {"files": files, "modules": len(design.modules), "bytes": len(design.verilog), **design.manifest}
    return Result(f"{files[0]}: {len(design.modules)} modules, {len(design.verilog)} bytes\n{files[1]}", facts)


GENERATE = Handler(_arguments, _run)
