# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.nullcache`: the paper's two comparisons, as a table and a picture, and the figures of the model.

Misses and time with the null cache against the plain cache, and against a plain cache of twice the size, over the
layers of LeNet-5, AlexNet, VGG-16 and, where the data are there, the pruned SqueezeNet with a photograph. Every layer
starts with empty caches and is cut to a number of accesses. Time is that of the accesses alone: one cycle each and the
waiting for memory; a core that also computes loses and gains a smaller share.
"""

import argparse
import dataclasses
import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from hdl.config_cache import CacheConfig, cache_preset
from hdl.files import build_root, write_together
from sim.nullcache.layers import LayerData, layer_trace
from sim.nullcache.model import simulate
from sim.nullcache.networks import SYNTHETIC, layers
from sim.nullcache.squeezenet import squeezenet
from sim.nullcache.trace import Trace
from sysmt.output import table

from . import data_folder

PUBLISHED = {"misses": (5, 28), "time": (5, 21)}
"""Percent saved by the null cache, over LeNet, AlexNet, VGG-16 and SqueezeNet (DATE 2020)."""


def networks() -> Iterator[tuple[str, Iterable[LayerData]]]:
    """Name and layers of every network of the comparison that can be had here."""
    for name in SYNTHETIC:
        yield name, layers(name)
    data = data_folder() / "data"
    weights = data / "squeezenet_deep_compression" / "compressed_SqueezeNet.net"
    if weights.exists():
        yield "squeezenet", squeezenet(weights, data / "images" / "parrot.jpg")


def compare(named: Iterable[LayerData], loops: str, limit: int, base: CacheConfig) -> dict[str, Any]:
    """Sum of misses and cycles of all layers, on the three caches."""
    plain = dataclasses.replace(base, null=None)
    caches = {"null": base, "plain": plain, "double": dataclasses.replace(plain, size=2 * base.size)}
    misses, cycles = dict.fromkeys(caches, 0), dict.fromkeys(caches, 0)
    accesses = null_hits = 0
    for layer in named:
        trace = layer_trace(layer, loops, limit)
        accesses += len(trace)
        for name, config in caches.items():
            outcome = simulate(trace, config)
            misses[name] += outcome.counters["misses"]
            cycles[name] += outcome.cycles
            null_hits += outcome.counters["null_hits"]

    def saved(of: dict[str, int], name: str) -> float:
        return 100 * (1 - of[name] / of["plain"])

    return {
        "accesses": accesses,
        "null hits %": 100 * null_hits / accesses,
        "misses saved %": saved(misses, "null"),
        "time saved %": saved(cycles, "null"),
        "double: misses %": saved(misses, "double"),
        "double: time %": saved(cycles, "double"),
    }


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


def speed(base: CacheConfig, limit: int) -> float:
    """Accesses per second, in millions, over the layers of AlexNet on one core, compilation left out."""
    traces = [layer_trace(layer, "im2col", limit) for layer in layers("alexnet")]
    simulate(traces[0], base)
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
    figure.savefig(stream, format="svg", metadata={"Date": None})
    write_together(path.parent, {path.name: stream.getvalue()})


def main(argv: list[str] | None = None) -> int:
    """Print the comparisons and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=1_000_000, help="accesses per layer")
    parser.add_argument("--preset", default="galileo", help="cache configuration")
    parser.add_argument("--picture", type=Path, help="where the picture goes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    base = cache_preset(args.preset)
    rows = []
    for loops in ("im2col", "direct"):
        for name, found in networks():
            rows.append({"network": name, "loops": loops} | compare(found, loops, args.limit, base))
    path = args.picture or build_root() / "nullcache.svg"
    picture(rows, path)
    facts = {"networks": rows, "regions": regions(base), "million accesses/s": speed(base, args.limit)}
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        print(table(rows), table(facts["regions"]), sep="\n\n")
        print(f"\nmodel: {facts['million accesses/s']:.3g} million accesses/s\npicture: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
