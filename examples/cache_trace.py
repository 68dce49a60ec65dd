# SPDX-License-Identifier: Apache-2.0
"""What a null cache saves: the memory accesses of one layer, played on three caches.

Most of the layer's inputs are zero, as behind a ReLU. The null cache remembers lines that are all zero by their address
alone, so they take no room among the data. How much that saves depends on the order of accesses: the plain loops over
the layer read every input many times, Caffe's im2col copies it first.

    pip install 'sysmt[silicon]'
    python examples/cache_trace.py
"""

import dataclasses

import sysmt
from sysmt.sim.nullcache.model import simulate
from sysmt.sim.nullcache.traces.loops import layer_trace
from sysmt.sim.nullcache.traces.networks import layers

NETWORK, LAYER = "alexnet", "conv4/0"
ACCESSES = 150_000


def main() -> None:
    """Trace one layer in two orders of access; print misses and cycles on each cache."""
    layer = next(layer for layer in layers(NETWORK) if layer.name == LAYER)
    print(f"{LAYER} of {NETWORK}: {(layer.x == 0).mean():.0%} of the inputs are zero")

    with_null = sysmt.preset("galileo")  # 16 KB of data and a null cache
    caches = {
        "16 KB": dataclasses.replace(with_null, null=None),
        "32 KB": dataclasses.replace(with_null, null=None, size=2 * with_null.size),
        "16 KB + null cache": with_null,
    }
    for loops in ("direct", "im2col"):
        trace = layer_trace(layer, loops, ACCESSES)
        print(f"\n{loops}: {len(trace)} accesses")
        loads = []
        for name, config in caches.items():
            outcome = simulate(trace, config)
            loads.append(outcome.loads)
            misses, null_hits = (outcome.counters[counter] for counter in ("misses", "null_hits"))
            print(f"{name:20}{misses:8} misses {null_hits:8} null hits {outcome.cycles:9} cycles")
        # A cache may never change what is read.
        assert all((values == loads[0]).all() for values in loads)


if __name__ == "__main__":
    main()
