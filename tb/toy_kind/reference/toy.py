# SPDX-License-Identifier: Apache-2.0
"""One step of the toy PE in plain integers."""

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kinds.toy import ToyCounters


def pe_step(pairs: list[tuple[int, int]], pe: PEConfig) -> tuple[int, ToyCounters]:
    """See `tb.references.kinds`."""
    value = reduced = neighbours = 0
    for i, (x, w) in enumerate(pairs):
        if pairs[i ^ 1][0] != 0:
            reduced += x % 2**pe.dropped != 0
            neighbours += x != 0
            x = x - x % 2**pe.dropped
        value += x * w
    active = sum(x != 0 and w != 0 for x, w in pairs)
    return value, ToyCounters(active, int(active > 0), 0, reduced, neighbours // 2)


KIND = pe_step
