# SPDX-License-Identifier: Apache-2.0
"""The requests of the accelerator: runs over tiles of resident operands."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import data

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import written_words

from .ports import argument_layouts
from .requests import RequestServer


class Commands(RequestServer):
    """The requests of `sysmt.hdl.params.protocol`.

    Parameters
    ----------
    config : AccelConfig

    Members
    -------
    As of `RequestServer`; the memories are those of `Target`.
    """

    def __init__(self, config: AccelConfig):
        self.config = config
        super().__init__(argument_layouts(config.array.pe), written_words(config))

    def _legality(self, m: Module, runs: data.View) -> Signal:
        return fits_array(m, self.config, runs)


def fits_array(m: Module, config: AccelConfig, runs: data.View) -> Signal:
    """Whether the array would take the run of a cycle ago: what it would refuse for good is refused before."""
    pe = config.array.pe
    short, legal = Signal(), Signal(name="fine")
    with m.Switch(runs.threads):
        for i, threads in enumerate(pe.throttles):
            with m.Case(i):
                m.d.comb += short.eq(runs.steps <= min(config.depth, pe.k_max // threads))
    counts = (runs.steps, runs.m_tiles, runs.n_tiles, runs.rows, runs.cols)
    extent = (runs.rows <= config.array.rows, runs.cols <= config.array.cols)
    m.d.sync += legal.eq(Cat(short, *(count != 0 for count in counts), *extent).all())
    return legal
