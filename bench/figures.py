# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.figures`: writes the measured tables of docs/figures.md between their markers.

`silicon` is the default report's; `boards` is what `python -m bench.boards --record` kept, the others what
`python -m bench NAME --record` did.
"""

import argparse
import sys
from pathlib import Path

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.output import progress
from sysmt.report.facts import by_default
from sysmt.report.markdown import figures
from sysmt.sim.flow import sta

from . import (
    adaptation,
    boards,
    bus,
    choices,
    clusters,
    engine,
    engine_area,
    engine_energy,
    estimate,
    explore,
    families,
    kinds,
    litex,
    nullcache,
    packed,
    pe_stages,
    schedule,
    second_opinion,
    signatures,
    sparq_luts,
    sparse_engine,
    training,
    uart,
    windows,
    zeros,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "figures.md"


def placed(text: str, name: str, tables: str) -> str:
    """`text` with `tables` between the markers called `name`, in place of what was there."""
    begins, ends = f"<!-- {name} begin -->", f"<!-- {name} end -->"
    head, begin, rest = text.partition(begins)
    _, end, tail = rest.partition(ends)
    if not begin or not end:
        raise UserError(f"docs/{PAGE.name} must hold {begins} and, after it, {ends}")
    return f"{head}{begins}\n{tables}\n{ends}{tail}"


def silicon() -> str:
    """The tables of the default report, and its arrays with clock gates."""
    if not sta.available():
        raise UserError("silicon is measured with OpenSTA, which is missing (sta on PATH): name the other tables alone")
    return figures(by_default(progress), by_default(progress, clock_gating=True))


TABLES = {
    "silicon": silicon,
    "boards": boards.markdown,
    "engines": boards.engines,
    "adaptation": adaptation.markdown,
    "families": families.markdown,
    "networks": engine.markdown,
    "engine_area": engine_area.markdown,
    "engine_energy": engine_energy.markdown,
    "training": training.markdown,
    "kinds": kinds.markdown,
    "schedule": schedule.markdown,
    "second_opinion": second_opinion.markdown,
    "signatures": signatures.markdown,
    "estimate": estimate.markdown,
    "explore": explore.markdown,
    "choices": choices.markdown,
    "zeros": zeros.markdown,
    "nullcache": nullcache.markdown,
    "clusters": clusters.markdown,
    "pe_stages": pe_stages.markdown,
    "windows": windows.markdown,
    "sparq_luts": sparq_luts.markdown,
    "sparse_engine": sparse_engine.markdown,
    "packed": packed.markdown,
    "bus": bus.markdown,
    "litex": litex.markdown,
    "uart": uart.markdown,
}


def main(argv: list[str] | None = None) -> int:
    """Measure, or find what was measured, and write."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.figures",
        description=__doc__.partition("\n")[0],
        epilog="example: python -m bench.figures boards",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(TABLES)} (default: all)")
    args = parser.parse_args(argv)
    unknown = [name for name in args.names if name not in TABLES]
    if unknown:
        parser.error(f"NAME must be one of {', '.join(TABLES)}, not {unknown[0]}")
    try:
        for name in args.names or TABLES:
            write_together(PAGE.parent, {PAGE.name: placed(PAGE.read_text(), name, TABLES[name]())})
    except UserError as error:
        print(f"bench.figures: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
