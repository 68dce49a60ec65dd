# SPDX-License-Identifier: Apache-2.0
"""Cycles of chunks that are read ahead from an SDRAM: when each one is ready, given when others were freed."""

from sysmt.hdl.params.stream import AHEAD, WeightStreamConfig

from .sdram import Burst, SdramModel

FETCH = 3
"""Cycles from the end of an entry, or from `enable`, until the burst of the next is offered."""

WRITE = 2
"""Cycles from the last word of a chunk until it is ready."""


class WeightStreamModel:
    """The stream of `sysmt.hdl.memory.stream` behind its controller, chunk by chunk.

    Parameters
    ----------
    config : WeightStreamConfig
    enabled : int
        The cycle in which `enable` rises; cycle 0 is the first one after reset.
    """

    def __init__(self, config: WeightStreamConfig, enabled: int = 0):
        self.config = config
        self._sdram = SdramModel(config.sdram)
        self._ended = enabled
        self._loaded = 0
        self._freed: list[int] = []

    def freed(self, cycle: int) -> None:
        """The oldest chunk that is held is freed in `cycle`."""
        self._freed.append(cycle)

    def load(self, address: int, words: int, alone: bool = False, more: bool = False) -> int:
        """The next entry of the list, `words` words of the SDRAM; returns the cycle from which its chunk is ready.

        With `more`, that is not before the next entry is. Chunks that must be freed before must have been: ValueError
        otherwise.
        """
        needed = self._loaded - (0 if alone else AHEAD - 1)
        if needed > len(self._freed):
            raise ValueError(f"chunk {self._loaded} waits for {needed} chunks to be freed, not {len(self._freed)}")
        offered = max([self._ended + FETCH, *(cycle + 1 for cycle in self._freed[:needed])])
        self._loaded += not more
        if words == 0:
            self._ended = offered
        else:
            burst = Burst(False, address, words, offered)
            self._ended = self._sdram.run([burst])[1][0]
        return self._ended + WRITE
