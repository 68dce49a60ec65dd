# SPDX-License-Identifier: Apache-2.0
"""Schedules: the best blocking of a layer on a hierarchy of memories."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sysmt.sim.cost.schedule.count import Schedule


def schedule(
    loops: Sequence[int],
    stride: Sequence[int] = (1, 1),
    capacities: Sequence[int] = (256, 65536),
    energies: Sequence[float] = (0.96, 20, 200),
    hop: float = 0.035,
    unroll: Mapping[str, int] | Sequence[Mapping[str, int]] = (),
    half_full: bool = False,
    *,
    array_level: int = 0,
    objective: str = "energy",
) -> "Schedule":
    """Find the best blocking and order of a layer: exact, in milliseconds (Yang et al., ASPLOS 2020).

    Parameters
    ----------
    loops : 7 ints
        Iterations of FX FY OX OY OC IC ON: filter x, y; output x, y; output, input channels; images.
    stride : (int, int)
        Along x and y.
    capacities : ints
        Words of every level below the outermost, innermost first: of one processing element, then shared by all. By
        default, as the energies, those of Eyeriss.
    energies : floats
        Energy of an access at every level, one more than `capacities`: the outermost level is unbounded.
    hop : float
        Energy of a step between neighbouring processing elements.
    unroll : mapping of str to int, or one such mapping per axis of the array
        Loops spread over the processing elements and their factors. In one mapping every loop has neighbours of its
        own; loops in the mapping of one axis lie behind each other (replication), and words go further.
    half_full : bool
        Drop blockings that fill less than half of a level, as the authors' search does.
    array_level : int
        The outermost level that every processing element has for itself.
    objective : "energy", "cycles" or "traffic"
        What is least; energy decides between equals.

    Returns
    -------
    Schedule
        `energy`; `levels`, its parts: level 0, hops, level 1 and so on; `blocking`, factors per loop and level,
        innermost first; `stays`, the tensor that stays innermost from level 1 on; `accesses`, words per level and
        tensor.

    Raises
    ------
    UserError
        Sizes that cannot be, an unknown loop, or no blocking that fits.

    Examples
    --------
    >>> import sysmt
    >>> best = sysmt.schedule(
    ...     loops=(3, 3, 13, 13, 384, 256, 1),
    ...     capacities=(256, 65536),
    ...     energies=(0.96, 20, 200),
    ...     unroll={"OC": 16, "IC": 16},
    ...     half_full=True,
    ... )
    >>> f"{best.energy:.5e}", best.blocking["OC"]
    ('8.89704e+08', (2, 1, 16))
    """
    from sysmt.sim.cost.schedule.machine import machine_of
    from sysmt.sim.cost.schedule.nest import Nest, Unrolling
    from sysmt.sim.cost.schedule.search import search

    machine = machine_of(capacities, energies, hop, half_full, array_level)
    return search(Nest(loops, stride), machine, Unrolling.of(unroll), objective)
