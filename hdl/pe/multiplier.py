# SPDX-License-Identifier: Apache-2.0
"""The interface of every multiplier, and the conventional one."""

from amaranth.hdl import Module, Mux, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.adders import multiply
from sysmt.hdl.params.pe import PEConfig

from .ports import passed, passed_weights


class Multiplier(wiring.Component):
    """The operands of one step in, the sum of their products out: in the same cycle, but for `PEConfig.pipeline` > 1.

    The multiplier of a kind of PE derives from this class and is named by `sysmt.hdl.pe.kind.Gates.multiplier`.

    Parameters
    ----------
    config : PEConfig

    Members
    -------
    x : In(passed)
    w : In(weights)
    mode : In(`PEConfig.mode_width`)
        Threads that run, see `Control.mode`.
    enable : In(1)
        Low: the product is zero, whatever the operands; with target `fpga` and `pipeline` the registers inside hold.
    product : Out(signed(`PEConfig.product_width`))
        Sum over the threads, exact or reduced as the policy says.
    """

    block = "multiplier"

    def __init__(self, config: PEConfig):
        self.config = config
        super().__init__(
            {
                "x": In(passed(config)),
                "w": In(passed_weights(config)),
                "mode": In(config.mode_width),
                "enable": In(1),
                "product": Out(signed(config.product_width)),
            }
        )

    @staticmethod
    def module_name(config: PEConfig) -> str:
        return "multiplier"


class Conventional(Multiplier):
    """One thread: the exact 8b x 8b product."""

    def elaborate(self, platform):
        m = Module()
        x = Mux(self.enable, self.x[0], 0)
        product = multiply(m, x, self.w[0], self.config.product_width, self.config.target, "p")
        m.d.comb += self.product.eq(product)
        return m
