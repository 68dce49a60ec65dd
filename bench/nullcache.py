# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.nullcache`: the paper's two comparisons, as tables and a picture, and what moves their figures.

Misses and time with the null cache against the plain cache, and against a plain cache of twice the size, over LeNet-5,
AlexNet, VGG-16 and, where the data are there, the pruned SqueezeNet with a photograph. `misses saved` and `time saved`
are of the null cache that never waits (`null.on_store=move`, `null.admit`), `paper` of the one as published. Energy
counts a memory access as 100 of the cache, and the paper's 3.8 % for the null cache.

Assumptions. Elements are float32, eight to a line, as in Caffe, which the paper names. `im2col` is Caffe's own order
with the reference BLAS, `direct` the seven plain loops; which BLAS the paper linked is not known. LeNet-5 is trained
here and pruned as the paper says, by Scalpel, in aligned groups of eight; AlexNet and VGG-16 have random weights of
the published densities, anywhere; SqueezeNet is that of Deep Compression. Every layer starts with empty caches. What
its first filter and its second cost is simulated, the others are counted like the second; what does not fit in
`--limit` accesses is left out (channels, or pixels) and scaled up, which flatters the null cache in `im2col`, because
fewer zero regions compete for its entries: the column `simulated %` says how much of the layers' products is left;
nothing of LeNet-5 is left out. Time is that of the accesses alone, one cycle each and the waiting for memory; a core
that also computes loses and gains a smaller share.

What the machine may have been otherwise is measured beside it (`assumptions`): a memory takes a new store every 12
cycles or every 3, the null cache has 1 KB or 4. With `unlimited entries` it remembers every zero line that it has seen,
exactly, and takes no time: what more entries or another replacement could bring. `--readings` measures what
LeNet-5 saves if one more assumption is another, in the layouts of a blocked BLAS, of NHWC loops and of CMSIS-NN too;
and what the near-zero approximator costs of top-1. 1 KB holds 256 addresses of 32 ternary cells, the way TCAMs are
counted, or 128 pairs of value and mask.
"""

import argparse
import io
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import build_root, write_together
from sysmt.cli.arguments import output_file
from sysmt.cli.output import table
from sysmt.hdl.params.cache import CacheConfig
from sysmt.hdl.params.checks import in_range
from sysmt.hdl.params.presets import preset
from sysmt.sim.nullcache.model import simulate
from sysmt.sim.nullcache.traces.layers import DTYPES
from sysmt.sim.nullcache.traces.loops import LOOPS, layer_trace
from sysmt.sim.nullcache.traces.networks import layers
from sysmt.sim.nullcache.traces.trace import Trace

from . import record
from .nullcache_readings import approximated, readings
from .nullcache_study import LIMITS, WHOLE, compare, machines, networks

PUBLISHED = {"misses": (5, 28), "time": (5, 21)}
"""Percent saved by the null cache, over LeNet, AlexNet, VGG-16 and SqueezeNet (DATE 2020)."""


def verdict(row: dict[str, Any]) -> str:
    """Whether a row reaches what was published, and if not why, from what was measured."""
    short = [what for what in PUBLISHED if row[f"{what} saved %"] < PUBLISHED[what][0]]
    behind = row["misses saved %"] < row["double: misses %"]
    if not short and not behind:
        return "within or beyond the published range, and no more misses than the double cache"
    zero = row["zero lines of x %"]
    why = []
    if row["misses saved %"] < PUBLISHED["misses"][0] and abs(row["double: misses %"]) < 1:
        if row["misses %"] < 2:
            why.append(f"only {row['misses %']:.2g} % of its accesses miss, and twice the size saves none of them")
        else:
            why.append("it streams what no cache of this size holds")
    if row["misses saved %"] < PUBLISHED["misses"][0]:
        why.append(f"{zero:.2g} % of its input lines are zero" if zero < 10 else "more zero regions than entries")
    if short == ["time"]:
        why.append("insertions and stores through to memory take back what the misses saved")
    if behind:
        why.append("the double cache holds rows or windows of non-zero data that the single one does not")
    missed = [f"{what} below {PUBLISHED[what][0]} %" for what in short] + ["behind the double cache"] * behind
    return f"{', '.join(missed)}: {'; '.join(why)}"


def regions(base: CacheConfig) -> list[dict[str, Any]]:
    """Entries that remain when zero regions are read line by line."""
    cases = {"1 MB": np.arange(0, 1 << 20, base.line), "every 2nd line of 64 KB": np.arange(0, 1 << 16, 2 * base.line)}
    rows = []
    for name, offsets in cases.items():
        zeros = np.zeros(len(offsets), np.uint32)
        trace = Trace(zeros, (0x40000000 + offsets).astype(np.uint32), zeros + 4, zeros)
        outcome = simulate(trace, base)
        rows.append({"zero region": name, "lines": len(offsets), "entries": len(outcome.entries)})
    return rows


def speed(base: CacheConfig) -> float:
    """Accesses per second, in millions, over the layers of LeNet-5 on one core, compilation left out."""
    traces = [layer_trace(layer, "direct", 1_000_000) for layer in layers("lenet5")]
    simulate(traces[-1], base)
    begun = perf_counter()
    for trace in traces:
        simulate(trace, base)
    return sum(map(len, traces)) / (perf_counter() - begun) / 1e6


def picture(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw what the null cache and a double-size cache save, beside the published range."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, what in zip(figure.subplots(1, 2), ("misses", "time"), strict=True):
        at = np.arange(len(rows))
        axes.axhspan(*PUBLISHED[what], color="0.9", label="published range")
        axes.bar(at - 0.2, [row[f"{what} saved %"] for row in rows], 0.4, label="with null cache")
        axes.bar(at + 0.2, [row[f"double: {what} %"] for row in rows], 0.4, label="plain, double size")
        axes.set_xticks(at, [f"{row['network']}\n{row['loops']}" for row in rows], fontsize=7)
        axes.set_ylabel(f"{what} saved against the plain cache, %")
        axes.axhline(0, color="black", linewidth=0.8)
    axes.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format=path.suffix[1:] or "svg", metadata={"Date": None} if path.suffix == ".svg" else {})
    write_together(path.parent, {path.name: stream.getvalue()})


def markdown() -> str:
    """The recorded run, as tables of Markdown."""
    return record.tables("nullcache")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All comparisons, two at a time, and the figures of the model."""
    base = preset(args.preset, CacheConfig)
    plans = [(name, loops) for loops in args.loops for name in args.networks or networks()]
    unknown = {name for name, _ in plans} - set(networks())
    if unknown:
        raise UserError(f"network must be one of {', '.join(networks())}, not {', '.join(sorted(unknown))}")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        running = [pool.submit(compare, name, loops, args.dtype, args.limit, base) for name, loops in plans]
        found = [row for future in running for row in future.result()]
    first, *others = machines(base)
    rows = [{name: value for name, value in row.items() if name != "assumption"} for row in found[:: 1 + len(others)]]
    for row in rows:
        row["verdict"] = verdict(row)
    facts = {"dtype": args.dtype, "networks": rows}
    facts["assumptions"] = [row for row in found if row["assumption"] != first]
    facts["bars"] = [bar for at in (first, *others) for bar in bars([row for row in found if row["assumption"] == at])]
    facts["regions"] = regions(base)
    if args.readings:
        facts |= {"readings": readings(base), "approximator": approximated(base)}
    return facts | {"million accesses/s": speed(base)}


def _check(args: argparse.Namespace) -> None:
    """Refuse in advance what would end the run after minutes."""
    if args.limit is not None:
        in_range("limit", args.limit, 1, WHOLE)
    if args.picture is not None:
        output_file(str(args.picture))
        if args.picture.suffix not in (".svg", ".png"):
            raise UserError(f"picture must end in .svg or .png, not {args.picture.suffix!r}")


def bars(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the rows of one assumption, with either null cache: how many reach what was published, how many networks do in
    one order at least, how many rows have no more misses than twice the size, and the worst time."""
    found = []
    for name, misses, time in (
        ("never waits", "misses saved %", "time saved %"),
        ("as published", "paper: misses %", "paper: time %"),
    ):
        if misses not in rows[0]:
            continue
        reached = [row for row in rows if row[misses] >= PUBLISHED["misses"][0] and row[time] >= PUBLISHED["time"][0]]
        networks_of = [len({row["network"] for row in some}) for some in (reached, rows)]
        counts = {
            "rows within or beyond the published ranges": (len(reached), len(rows)),
            "networks within or beyond them in one order": tuple(networks_of),
            "no more misses than the double cache": (
                sum(row[misses] >= row["double: misses %"] for row in rows),
                len(rows),
            ),
            "time saved in the worst row, %": (min(row[time] for row in rows), len(rows)),
        }
        key = {"assumption": rows[0]["assumption"], "null cache": name}
        found += [key | {"bar": bar, "found": value, "of": of} for bar, (value, of) in counts.items()]
    return found


def main(argv: list[str] | None = None) -> int:
    """Print the comparisons and draw them."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.nullcache",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example: python -m bench.nullcache --networks lenet5 --loops direct",
    )
    parser.add_argument("--networks", nargs="+", metavar="NAME", help=f"of {', '.join(networks())} (default: all)")
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=["im2col", "direct"], help="orders of access")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="element type (default float32)")
    limits = ", ".join(f"{loops} {limit}" for loops, limit in LIMITS.items())
    parser.add_argument("--limit", type=int, help=f"accesses per layer (default {limits})")
    parser.add_argument("--preset", default="galileo", help="cache configuration")
    parser.add_argument("--picture", type=Path, help="where the picture goes, .svg or .png")
    parser.add_argument("--readings", action="store_true", help="other assumptions, and the approximator, on LeNet-5")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    path = args.picture or build_root() / "nullcache.svg"
    try:
        _check(args)
        facts = measure(args)
        picture(facts["networks"], path)
    except UserError as error:
        print(f"bench.nullcache: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    print(f"{facts['dtype']}; saved against the plain cache, published: misses 5-28 %, time 5-21 %")
    print(table([{name: value for name, value in row.items() if name != "verdict"} for row in facts["networks"]]))
    print("", *(f"{row['network']}, {row['loops']}: {row['verdict']}" for row in facts["networks"]), sep="\n")
    if "squeezenet" not in networks():
        print("squeezenet: left out, its data are not here (SYSMT_DATA names the folder that holds them)")
    for name in ("assumptions", "bars", "regions", "readings", "approximator"):
        if name in facts:
            print("", table(facts[name]), sep="\n")
    print(f"\nmodel: {facts['million accesses/s']:.3g} million accesses/s\npicture: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
