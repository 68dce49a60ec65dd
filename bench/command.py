# SPDX-License-Identifier: Apache-2.0
"""The command line that every measurement has: a table, or JSON."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from sysmt.base.errors import UserError
from sysmt.cli.output import table


def run(module: str, description: str, measure: Callable[[], list[dict[str, Any]]], argv: list[str] | None) -> int:
    """Measure and print. Returns 2, with one line, when something the measurement needs is missing."""
    parser = argparse.ArgumentParser(
        prog=f"python -m {module}", description=description, epilog=f"example: python -m {module} --json"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    args = parser.parse_args(argv)
    try:
        rows = measure()
    except UserError as error:
        print(f"{module}: {error}", file=sys.stderr)
        return 2
    print(json.dumps({"rows": rows}, indent=2) if args.json else table(rows))
    return 0
