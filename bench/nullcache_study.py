# SPDX-License-Identifier: Apache-2.0
"""What the null cache saves over whole networks, and which assumption moves that: the sums behind `bench.nullcache`."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.hdl.params.cache import CacheConfig
from sysmt.sim.nullcache.model import simulate
from sysmt.sim.nullcache.traces.access import PAGE, Recorder, bits, store
from sysmt.sim.nullcache.traces.kernels import KERNELS
from sysmt.sim.nullcache.traces.layers import LayerOperands, zero_lines
from sysmt.sim.nullcache.traces.lenet import lenet5, trained
from sysmt.sim.nullcache.traces.loops import cut, end_of, joined, layer_trace
from sysmt.sim.nullcache.traces.networks import layers
from sysmt.sim.nullcache.traces.squeezenet import squeezenet
from sysmt.sim.nullcache.traces.trace import Trace
from sysmt.sim.nullcache.unlimited import unlimited

SEED = 2
"""Of the synthetic networks: not the one that the replacement rule was chosen with."""

LIMITS = {"im2col": 2_000_000} | dict.fromkeys(("dot", "direct", *KERNELS), 500_000)
"""Accesses per layer. `im2col` needs the whole matrix: what is left out changes what the null cache has to hold."""

WHOLE = 20_000_000
"""A limit that leaves nothing of LeNet-5 out."""

ADMIT = 4
"""Of the null cache that never waits: the one value for all rows."""

DEEP = 32
"""Stores on their way to memory at once, of a machine whose buffer gathers them."""

MISS_ENERGY, NULL_ENERGY = 100.0, 0.038
"""Of a memory access and of a search of the null cache, in accesses of the data cache: the 3.8 % are the paper's."""


class Costs(NamedTuple):
    """Misses, cycles and accesses, of a trace or of a part of one."""

    misses: float
    cycles: float
    accesses: float


@dataclasses.dataclass(frozen=True)
class Unlimited:
    """A plain cache beside a null cache that forgets nothing and never waits."""

    plain: CacheConfig


Compared = dict[str, CacheConfig | Unlimited]
"""Caches by name: `plain` is what the others are compared with."""


def networks() -> dict[str, Callable[[], Iterable[LayerOperands]]]:
    """Layers of every network of the comparison that can be had here, by name."""
    sources: dict[str, Callable[[], Iterable[LayerOperands]]] = {"lenet5": lambda: lenet5(trained(8), 0)}
    sources |= {name: (lambda name=name: layers(name, seed=SEED)) for name in ("alexnet", "vgg16")}
    data = data_folder() / "data"
    weights = data / "squeezenet_deep_compression" / "compressed_SqueezeNet.net"
    if weights.exists():
        sources["squeezenet"] = lambda: squeezenet(weights, data / "images" / "cat.bmp")
    return sources


def with_null(base: CacheConfig, **fields: Any) -> CacheConfig:
    """The same cache with another null cache."""
    return dataclasses.replace(base, null=dataclasses.replace(base.null_cache, **fields))


def caches(base: CacheConfig) -> Compared:
    """The caches that are compared: `null` never waits, `paper` is the null cache as published."""
    plain = dataclasses.replace(base, null=None)
    return {
        "plain": plain,
        "null": with_null(base, on_store="move", admit=ADMIT),
        "paper": base,
        "double": dataclasses.replace(plain, size=2 * base.size),
    }


def assumptions(base: CacheConfig) -> dict[str, CacheConfig]:
    """What the machine may have been instead, by name; `base` is the first.

    A store is answered as late as a load, so that as many as the buffer holds take that time.
    """
    many = "1,024 entries"
    deep = dataclasses.replace(base, write_buffer=DEEP)
    stores = f"{deep.write_buffer} stores at once"
    return {
        f"{base.write_buffer} stores at once, {base.null_cache.entries} entries": base,
        stores: deep,
        many: with_null(base, entries=1024),
        f"{stores}, {many}": with_null(deep, entries=1024),
    }


def machines(base: CacheConfig) -> dict[str, Compared]:
    """The caches of every assumption, and of a null cache that could hold all zero lines: what is out of reach."""
    found = {assumption: caches(config) for assumption, config in assumptions(base).items()}
    for stores in sorted({base.write_buffer, DEEP}):
        plain = dataclasses.replace(base, null=None, write_buffer=stores)
        double = dataclasses.replace(plain, size=2 * base.size)
        found[f"{stores} stores at once, unlimited entries"] = {
            "plain": plain,
            "null": Unlimited(plain),
            "double": double,
        }
    return found


def compare(
    network: str,
    loops: str,
    dtype: str,
    limit: int | None,
    base: CacheConfig,
    kinds: dict[str, Compared] | None = None,
) -> list[dict[str, Any]]:
    """A row per assumption (of all `machines`, or those given): misses and cycles of a whole network on its caches, as
    percentages of the plain one's."""
    if limit is None:
        limit = WHOLE if network == "lenet5" else LIMITS[loops]
    if kinds is None:
        kinds = machines(base)
    compared = {f"{at}: {name}": config for at, found in kinds.items() for name, config in found.items()}
    total, facts = layerwise(networks()[network](), loops, dtype, limit, compared, base.line, network)
    return [
        {"assumption": at, "network": network, "loops": loops}
        | facts
        | _row({name: total[f"{at}: {name}"] for name in found})
        for at, found in kinds.items()
    ]


def _row(total: dict[str, Costs]) -> dict[str, Any]:
    saved = savings(total)
    row: dict[str, Any] = {"misses %": 100 * total["plain"].misses / total["plain"].accesses}
    row |= {"misses saved %": saved["null"]["misses"], "time saved %": saved["null"]["time"]}
    row |= {"energy saved %": saved["null"]["energy"]}
    for name in ("paper", "double"):
        if name in saved:
            row |= {f"{name}: {what} %": saved[name][what] for what in ("misses", "time")}
    return rounded(row | {"beyond double": row["misses saved %"] - row["double: misses %"]})


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """Two digits are more than these figures are good for."""
    return {name: value if isinstance(value, str) else round(float(value), 2) for name, value in row.items()}


def savings(total: dict[str, Costs]) -> dict[str, dict[str, float]]:
    """Percent of misses, time and energy that the caches save against `plain`."""
    plain = total["plain"]

    def energy(name: str, costs: Costs) -> float:
        search = NULL_ENERGY if name in ("null", "paper") else 0.0
        return costs.accesses * (1 + search) + MISS_ENERGY * costs.misses

    return {
        name: {
            "misses": 100 * (1 - costs.misses / plain.misses),
            "time": 100 * (1 - costs.cycles / plain.cycles),
            "energy": 100 * (1 - energy(name, costs) / energy("plain", plain)),
        }
        for name, costs in total.items()
    }


def layerwise(
    network: Iterable[LayerOperands],
    loops: str,
    dtype: str,
    limit: int,
    compared: Compared,
    line: int,
    name: str,
) -> tuple[dict[str, Costs], dict[str, float]]:
    """Costs of all layers, each with empty caches, and how many products were simulated and lines are zero."""
    total = {cache: np.zeros(3) for cache in compared}
    products, simulated, zeros = 0, 0.0, np.zeros(2)
    for layer in network:
        layer = layer.of_type(dtype)
        filters, channels, pixels = cut(layer, loops, limit)
        part = channels * pixels / (len(layer.x) * layer.pixels)
        # The last filter of those that are simulated stands for all that are not.
        more = len(layer.w) - filters
        whole = layer_trace(layer, loops, limit)
        fewer = layer_trace(layer, loops, limit, fewer=1) if more else None
        known: dict[CacheConfig | Unlimited, np.ndarray] = {}
        for cache, config in compared.items():
            if config not in known:
                much = costs_of(whole, config)
                last = much - costs_of(fewer, config) if fewer is not None else np.zeros(3)
                known[config] = (much + more * last) / part
            total[cache] += known[config]
        work = len(layer.w) * layer.depth * layer.pixels
        products, simulated = products + work, simulated + work * part
        zeros += work * np.array([zero_lines(layer.x, line), zero_lines(layer.w, line)])
        progress(f"{name}, {loops}: {layer.name} done")
    facts = {"simulated %": 100 * simulated / products}
    facts |= dict(zip(("zero lines of x %", "of w %"), 100 * zeros / products, strict=True))
    return {cache: Costs(*map(float, costs)) for cache, costs in total.items()}, facts


def costs_of(trace: Trace, config: CacheConfig | Unlimited) -> np.ndarray:
    """Misses, cycles and accesses of one trace."""
    if isinstance(config, Unlimited):
        return np.array([*unlimited(trace, config.plain), len(trace)], np.float64)
    outcome = simulate(trace, config)
    return np.array([outcome.counters["misses"], outcome.cycles, len(trace)], np.float64)


def second_image(loops: str, dtype: str, compared: Compared, group: int = 8) -> dict[str, Costs]:
    """Costs of LeNet-5 on its second image, with the caches as the first left them: layers follow each other."""
    parts: list[list[Trace]] = []
    for image in range(2):
        base, traces = PAGE, []
        for layer in lenet5(trained(group), image):
            layer = layer.of_type(dtype)
            trace = layer_trace(layer, loops, base=base)
            # The input is stored where the layer finds it: by the pooling before it, or by who brings the image.
            feed = Recorder(layer.name, base)
            at = feed.allocate(layer.x.size, layer.x.itemsize, np.zeros(0, np.uint8))
            feed.add([store(at(np.arange(layer.x.size)), layer.x.itemsize, bits(layer.x).reshape(-1))])
            traces += [feed.trace(), trace]
            base = end_of(trace)
        parts.append(traces)
    one, two = joined(parts[0]), joined([*parts[0], *parts[1]])
    return {
        cache: Costs(*map(float, costs_of(two, config) - costs_of(one, config))) for cache, config in compared.items()
    }
