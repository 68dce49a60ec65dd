# SPDX-License-Identifier: Apache-2.0
"""`sysmt list` and `sysmt show`: the named configurations and what is derived from them."""

import argparse

from hdl.presets import PRESETS, preset

from ..output import Result, Verb, table


def _list(_: argparse.Namespace) -> Result:
    rows = [{"preset": name} | config.as_dict() for name, config in PRESETS.items()]
    return Result(table(rows), {"presets": rows})


def _show(args: argparse.Namespace) -> Result:
    config = preset(args.preset)
    facts = {"preset": args.preset} | config.as_dict() | {"k_max": config.pe.k_max, "latency": config.latency}
    return Result("\n".join(f"{name:10} {value}" for name, value in facts.items()), facts)


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="a name that `sysmt list` prints")


LIST = Verb("list", "List the presets.", "sysmt list --json", lambda _: None, _list)
SHOW = Verb("show", "Show one preset and what follows from it.", "sysmt show sysmt2_8", _show_arguments, _show)
