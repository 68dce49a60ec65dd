# SPDX-License-Identifier: Apache-2.0
"""The command line that every measurement has: a table, or JSON."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from sysmt.base.errors import UserError
from sysmt.cli.output import table

Rows = list[dict[str, Any]]


def run(
    module: str,
    description: str,
    measure: Callable[..., Rows | dict[str, Rows]],
    argv: list[str] | None,
    **options: dict[str, Any],
) -> int:
    """Measure and print. Returns 2, with one line, when something the measurement needs is missing.

    Parameters
    ----------
    measure : callable
        Takes the options by name; returns rows, or several tables by name.
    options : dict
        How `ArgumentParser.add_argument` is to take `--NAME`.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=description, epilog=f"example: python -m {module} --json"
    )
    for name, how in options.items():
        parser.add_argument(f"--{name}", **how)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    try:
        found = measure(**{name: getattr(args, name) for name in options})
    except UserError as error:
        print(f"{module}: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"rows": found} if isinstance(found, list) else found, indent=2))
    elif isinstance(found, list):
        print(table(found))
    else:
        print("\n\n".join(f"{name}\n{table(rows)}" for name, rows in found.items() if rows))
    return 0
