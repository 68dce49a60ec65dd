# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.silicon`: area, energy, throughput per area and clock of 2 and 4 threads against one thread.

16x16 arrays on sky130hd and ResNet-8 where the reference data are at hand, else on generic gates; what is left out is
said in the report (`sysmt report`), which shows the same figures.
"""

import sys
from typing import Any

from sysmt.output import progress
from sysmt.report.facts import DEFAULT_PRESETS, Wishes, default_target, default_workload, gather

from .command import run


def measure() -> list[dict[str, Any]]:
    """The report's comparison."""
    target = default_target()
    facts = gather(list(DEFAULT_PRESETS), Wishes(target, workload=default_workload(target)), progress)
    return [
        {
            "figure": row["figure"],
            "array": row["array"],
            "on": facts["target"],
            "ours": row["value"],
            "bar": f"{'<=' if row['at_most'] else '>='} {row['bar']}" if row["bar"] else "-",
            "met": {True: "yes", False: "no", None: "-"}[row["met"]],
            "published": row["published"] or "-",
        }
        for row in facts["comparison"]
    ]


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.silicon", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
