# SPDX-License-Identifier: Apache-2.0
"""Drives pipelines that never stall, in Amaranth's own simulator: inputs every cycle, outputs a latency later."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from amaranth.lib import wiring

from .accel import simulate


def stream_through(
    unit: wiring.Component,
    constants: Mapping[str, int],
    inputs: Sequence[Mapping[str, Any]],
    outputs: Sequence[str],
    read: Callable[[Any], int] = int,
) -> dict[str, np.ndarray]:
    """What a unit with `LATENCY` gives for inputs that come one a cycle; ports by name.

    Returns
    -------
    dict of port to int64 [len(inputs)]
    """
    got: dict[str, list[int]] = {name: [] for name in outputs}

    async def bench(ctx: Any) -> None:
        for name, value in constants.items():
            ctx.set(getattr(unit, name), value)
        await ctx.tick()
        for cycle in range(len(inputs) + unit.LATENCY):
            for name, value in inputs[cycle].items() if cycle < len(inputs) else ():
                ctx.set(getattr(unit, name), value)
            if cycle >= unit.LATENCY:
                for name in outputs:
                    got[name].append(read(ctx.get(getattr(unit, name))))
            await ctx.tick()

    simulate(unit, bench)
    return {name: np.array(values, np.int64) for name, values in got.items()}
