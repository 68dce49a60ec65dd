# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.readme`: writes the silicon tables of README between its markers, from the default report."""

import argparse
import sys
from pathlib import Path

from hdl.errors import UserError
from hdl.files import write_together
from sysmt.output import progress
from sysmt.report.facts import by_default
from sysmt.report.markdown import readme

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- silicon begin -->", "<!-- silicon end -->"


def placed(text: str, tables: str) -> str:
    """`text` with `tables` between the markers, in place of what was there."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise UserError(f"README.md must hold {BEGIN} and, after it, {END}")
    return f"{head}{BEGIN}\n{tables}\n{END}{tail}"


def main(argv: list[str] | None = None) -> int:
    """Measure, or find what was measured, and write."""
    parser = argparse.ArgumentParser(prog="python -m bench.readme", description=__doc__.partition("\n")[0])
    parser.parse_args(argv)
    try:
        found = by_default(progress), by_default(progress, clock_gating=True)
        write_together(README.parent, {README.name: placed(README.read_text(), readme(*found))})
    except UserError as error:
        print(f"bench.readme: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
