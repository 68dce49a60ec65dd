# SPDX-License-Identifier: Apache-2.0
"""Arguments that several commands share: which array, and matrices from files."""

import argparse
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.params.accel import BUFFERS, AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import SIZES, EngineConfig
from sysmt.hdl.params.presets import DEFAULT_ARRAY, preset
from sysmt.hdl.params.settings import parse_settings, with_settings

NO_OPTIMISE = "the graph as it is stored, depthwise layers channel by channel on one thread"
SPEEDUP = "layers that may be threaded at least X times as fast as on one thread, as accurate as that leaves time for"


def add_settings(parser: argparse.ArgumentParser) -> None:
    """`--set field=value`, as often as needed."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        dest="settings",
        help="change one field of the configuration (repeatable); `sysmt show` lists the fields",
    )


def settings(args: argparse.Namespace) -> dict[str, Any]:
    """The `--set` fields of the command line, of an array."""
    return parse_settings(ArrayConfig(), args.settings)


def settings_on_board(args: argparse.Namespace, engine: bool) -> dict[str, Any]:
    """The `--set` fields of what a board builds: of its array, and of what is free around it."""
    own = SIZES if engine else BUFFERS
    around = [text for text in args.settings if text.partition("=")[0] in own]
    array = [text for text in args.settings if text not in around]
    return parse_settings(ArrayConfig(), array) | parse_settings(EngineConfig() if engine else AccelConfig(), around)


def add_array(parser: argparse.ArgumentParser) -> None:
    """The options that choose an array: a preset, and fields that replace parts of it."""
    parser.add_argument("--preset", metavar="P", help=f"start from this preset (default {DEFAULT_ARRAY})")
    for field in ("rows", "cols", "threads"):
        parser.add_argument(f"--{field}", type=int, metavar="N", help=f"{field} of the array")
    for field in ("policy", "rounding"):
        parser.add_argument(f"--{field}", help=f"{field} of NB-SMT")
    add_settings(parser)


def array(args: argparse.Namespace) -> ArrayConfig:
    """The array that the options of `add_array` describe."""
    names = ("rows", "cols", "threads", "policy", "rounding")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    return with_settings(preset(args.preset or DEFAULT_ARRAY, ArrayConfig, **given), args.settings)


def chooses_array(args: argparse.Namespace) -> bool:
    """Whether any option of `add_array` was given."""
    names = ("preset", "rows", "cols", "threads", "policy", "rounding")
    return bool(args.settings) or any(getattr(args, name) is not None for name in names)


def output_file(path: str) -> Path:
    """A file to be written: its folder must exist, which is found out before the work and not after it."""
    target = Path(path)
    if not target.parent.is_dir():
        raise UserError(f"output folder {str(target.parent)!r} must exist: create it first")
    if target.is_dir():
        raise UserError(f"output {path!r} must be a file, not a folder")
    return target
