# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.silicon`: area, energy, throughput per area and clock of 2 and 4 threads against one thread.

And what clock gates save. 16x16 arrays on sky130hd and ResNet-8 where the reference data are at hand, else on generic
gates; what is left out is said in the report (`sysmt report`), which shows the same figures.
"""

import sys
from typing import Any

from sysmt.cli.output import progress
from sysmt.report.compare import area_of, energy_of
from sysmt.report.facts import by_default

from .command import run


def measure() -> list[dict[str, Any]]:
    """The report's comparison, and clock gates on against off."""
    facts = by_default(progress)
    rows = [
        {
            "figure": row["figure"],
            "array": row["array"],
            "on": facts["target"],
            "ours": row["value"],
            "target": f"{'<=' if row['at_most'] else '>='} {row['target']}" if row["target"] else "-",
            "met": {True: "yes", False: "no", None: "-"}[row["met"]],
            "published": row["published"] or "-",
        }
        for row in facts["comparison"]
    ]
    if facts["energy_assumptions"] is None:
        return rows
    gated = by_default(progress, clock_gating=True)
    for off, on in zip(facts["arrays"], gated["arrays"], strict=True):
        for figure, of in (("area", area_of), ("energy per MAC", energy_of)):
            row = {"figure": f"{figure}, clock gates / none", "array": off["name"], "on": facts["target"]}
            rows.append(row | {"ours": of(on) / of(off), "target": "-", "met": "-", "published": "-"})
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.silicon", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
