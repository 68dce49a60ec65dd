# SPDX-License-Identifier: Apache-2.0
"""Cycles of a command list on an accelerator, from the memory's latency: operands, runs and results that overlap."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import COMMAND_WIDTH, ListOpcode, commands_of

DECIDE, REQUEST, STORE = 4, 4, 2
"""Cycles from a command's last beat to what it does; from asking for a burst to the bus; behind the last beat."""
ROW = 7
"""Cycles that a row of results takes beside its beats."""


@dataclass
class _Times:
    """Ends of what is known so far, by run: steps issued, results complete, results sent."""

    fed: list[float] = field(default_factory=list)
    finished: list[float] = field(default_factory=list)
    sent: list[float] = field(default_factory=list)


def list_cycles(config: AccelConfig, commands: Sequence[bytes], latency: float) -> float:
    """Cycles from the start of the list to its interrupt.

    Every run has one READ; requantised results, which the requantiser's own speed bounds, are not modelled.

    Parameters
    ----------
    commands : sequence of bytes
        As `sysmt.boards.lists` makes them.
    latency : float
        Mean cycles that a burst waits in the memory; bursts wait side by side.

    Raises
    ------
    ValueError
        A READ asks for requantised results; the bus has a clock of its own.
    """
    if config.bus_clock:
        raise ValueError("bus_clock must be False: cycles are those of one clock")
    array, times = config.array, _Times()
    fetch = REQUEST + latency
    command_beats = COMMAND_WIDTH // config.data_width
    drain = array.rows + array.cols + array.latency
    now, ahead = 0.0, False
    for text in commands:
        opcode = ListOpcode(text[0])
        fields = commands_of(config)[opcode].unpack(text)
        now += command_beats + DECIDE + (0 if ahead else fetch)
        run = len(times.fed)
        ahead = opcode is ListOpcode.WRITE
        if opcode is ListOpcode.WRITE:
            now = max(now, times.finished[run - 2] if run > 1 else 0)
            now += fetch + fields["beats"] + STORE
        elif opcode is ListOpcode.RUN:
            now = max(now, times.sent[run - 2] if run > 1 else 0)
            steps = fields["steps"] * fields["m_tiles"] * fields["n_tiles"]
            times.fed.append(max(now, times.fed[-1] if times.fed else 0) + steps)
            times.finished.append(times.fed[-1] + drain)
        else:
            if fields["requantize"]:
                raise ValueError("a READ of requantised results is not modelled: read sums")
            last = len(times.sent)
            now = max(now, times.sent[last - 2] if last > 1 else 0)
            rows = (fields["m_tiles"] - 1) * array.rows + fields["rows"]
            beats = max(32 * array.cols // config.data_width, 1)
            begin = max(now, times.finished[-1], times.sent[-1] if times.sent else 0)
            times.sent.append(begin + rows * fields["n_tiles"] * (beats + ROW) + latency)
    return max([now, *times.sent])
