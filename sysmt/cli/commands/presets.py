# SPDX-License-Identifier: Apache-2.0
"""`sysmt list` and `sysmt show`: the named configurations and what is derived from them."""

import argparse
import textwrap
from typing import Any

from sysmt.cli.output import Handler, Result, no_arguments, table
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.presets import ARRAYS, PRESETS, preset


def _list(_: argparse.Namespace) -> Result:
    rows = [{"preset": name} | config.as_dict() for name, config in ARRAYS.items()]
    blocks = [{"preset": name} | config.as_dict() for name, config in PRESETS.items() if name not in ARRAYS]
    alike: dict[tuple[str, ...], list[dict[str, object]]] = {}
    for fields in map(dict, map(_dotted, rows + blocks)):
        alike.setdefault(tuple(fields), []).append(fields)
    return Result("\n\n".join(map(_differences, alike.values())), {"presets": rows, "blocks": blocks})


def _differences(presets: list[dict[str, object]]) -> str:
    """Presets with the same fields: a table of the fields in which they differ, and below it what all of them have."""
    common = {name: value for name, value in presets[0].items() if all(each[name] == value for each in presets)}
    differing = table([{name: value for name, value in each.items() if name not in common} for each in presets])
    rest = " ".join(["all:", *(f"{name}={value}" for name, value in common.items())])
    return "\n".join([differing, *textwrap.wrap(rest, 118, subsequent_indent="     ", break_long_words=False)])


def _dotted(facts: dict[str, Any]) -> list[tuple[str, object]]:
    """The fields as `--set` names them."""
    fields: list[tuple[str, object]] = []
    for name, value in facts.items():
        inner = _dotted(value) if isinstance(value, dict) else []
        fields += [(f"{name}.{n}", v) for n, v in inner] or [(name, value)]
    return fields


def _show(args: argparse.Namespace) -> Result:
    config = preset(args.preset)
    facts = {"preset": args.preset} | config.as_dict()
    if isinstance(config, ArrayConfig):
        facts |= {"k_max": config.pe.k_max, "latency": config.latency}
    return Result("\n".join(f"{name:16} {value}" for name, value in _dotted(facts)), facts)


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", metavar="PRESET", help="a name that `sysmt list` prints")


LIST = Handler(no_arguments, _list)
SHOW = Handler(_show_arguments, _show)
