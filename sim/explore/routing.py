# SPDX-License-Identifier: Apache-2.0
"""What place and route has shown: how full a part can be, and which parts have a known clock."""

from functools import cache

from sysmt.sim.cost.silicon.samples import load
from sysmt.sim.flow.parts import PARTS


@cache
def fullest(family: str) -> float:
    """The largest share of a part's LUTs that a design took which was placed and routed.

    Parameters
    ----------
    family : str
        Name of a family of FPGAs. The designs are those among the samples of the model of silicon that were placed, or
        whose clock was measured; of the latter only the netlist may be known, which is no larger.

    Returns
    -------
    float
        From 0, of a family of which nothing was routed, to 1.
    """
    luts = {part.name: part.luts for part in PARTS if part.family.name == family}
    routed = [each for each in load() if each.target == family and (each.placed or "mhz" in each.measured)]
    return max(
        (each.measured["luts"] / luts[each.measured["part"]] for each in routed if "luts" in each.measured), default=0.0
    )


@cache
def parts_timed() -> frozenset[str]:
    """Names of the parts that a clock was measured on: others of the family may be several times slower."""
    return frozenset(sample.measured["part"] for sample in load() if {"part", "mhz"} <= sample.measured.keys())
