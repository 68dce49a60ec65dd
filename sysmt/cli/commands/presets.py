# SPDX-License-Identifier: Apache-2.0
"""`sysmt list` and `sysmt show`: the named configurations and what is derived from them."""

import argparse
import textwrap

from sysmt.cli.output import Handler, Result, no_arguments, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import ARRAYS, PRESETS, preset
from sysmt.hdl.params.settings import dotted


def _list(_: argparse.Namespace) -> Result:
    rows = [{"preset": name} | config.as_dict() for name, config in ARRAYS.items()]
    blocks = [{"preset": name} | config.as_dict() for name, config in PRESETS.items() if name not in ARRAYS]
    alike: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for fields in map(dict, map(dotted, rows + blocks)):
        alike.setdefault(tuple(fields), []).append(fields)
    return Result("\n\n".join(map(_differences, alike.values())), {"presets": rows, "blocks": blocks})


def _differences(presets: list[dict[str, object]]) -> str:
    """Presets with the same fields: a table of the fields in which they differ, and below it what all of them have."""
    common = {name: value for name, value in presets[0].items() if all(each[name] == value for each in presets)}
    differing = table([{name: value for name, value in each.items() if name not in common} for each in presets])
    rest = " ".join(["all:", *(f"{name}={value}" for name, value in common.items())])
    return "\n".join([differing, *textwrap.wrap(rest, 118, subsequent_indent="     ", break_long_words=False)])


def _show(args: argparse.Namespace) -> Result:
    config = preset(args.preset)
    facts = {"preset": args.preset} | config.as_dict()
    if isinstance(config, ArrayConfig):
        facts |= {"k_max": config.pe.k_max, "latency": config.latency}
    return Result("\n".join(f"{name:16} {value}" for name, value in dotted(facts)), facts)


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="a name that `sysmt list` prints")


LIST = Handler(no_arguments, _list)
SHOW = Handler(_show_arguments, _show)
