# SPDX-License-Identifier: Apache-2.0
"""`python -m bench`: every measurement, one after the other; one that lacks its data says so and the others go on."""

import argparse
import sys

from . import area, emission, golden, networks, nullcache, tcam, throughput

MEASUREMENTS = {
    "throughput": throughput,
    "area": area,
    "emission": emission,
    "golden": golden,
    "networks": networks,
    "nullcache": nullcache,
    "tcam": tcam,
}


def main(argv: list[str] | None = None) -> int:
    """Run all measurements, or those named. Returns the worst of their exit codes."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which of {', '.join(MEASUREMENTS)} (default: all)")
    args = parser.parse_args(argv)
    unknown = set(args.names) - set(MEASUREMENTS)
    if unknown:
        parser.error(f"NAME must be one of {', '.join(MEASUREMENTS)}, not {', '.join(sorted(unknown))}")
    worst = 0
    for name in args.names or MEASUREMENTS:
        print(f"\n{name}: {MEASUREMENTS[name].__doc__.partition(': ')[2].splitlines()[0]}", flush=True)
        worst = max(worst, MEASUREMENTS[name].main([]))
    return worst


if __name__ == "__main__":
    sys.exit(main())
