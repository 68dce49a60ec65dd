# SPDX-License-Identifier: Apache-2.0
"""How full an FPGA may be, so that it can be routed: as full as the fullest design of its family that was."""

from functools import cache

from sysmt.sim.cost.silicon.samples import load
from sysmt.sim.flow.parts import PARTS


@cache
def fullest(family: str) -> float:
    """The largest share of a part's LUTs that a design took which was placed and routed.

    Parameters
    ----------
    family : str
        Name of a family of FPGAs. The designs are the placed ones among the samples of the model of silicon.

    Returns
    -------
    float
        From 0, of a family of which nothing was routed, to 1.
    """
    luts = {part.name: part.luts for part in PARTS if part.family.name == family}
    placed = [sample.measured for sample in load() if sample.target == family and sample.placed]
    return max((measured["luts"] / luts[measured["part"]] for measured in placed), default=0.0)
