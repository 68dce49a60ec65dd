# SPDX-License-Identifier: Apache-2.0
"""Gates of NB-SMT; with one thread those of the conventional PE."""

from amaranth.hdl import Value

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.pe.fpga import FpgaConventional, FpgaNbSmt2, FpgaNbSmt4
from sysmt.hdl.pe.kind import Gates, Running
from sysmt.hdl.pe.multiplier import Conventional, Multiplier
from sysmt.hdl.pe.nbsmt import NbSmt2, NbSmt4
from sysmt.hdl.pe.nbsmt_events import events
from sysmt.hdl.pe.polynomial import Polynomial
from sysmt.hdl.pe.reduction import fits

MULTIPLIERS: dict[tuple[str, int], type[Multiplier]] = {
    ("asic", 1): Conventional,
    ("asic", 2): NbSmt2,
    ("asic", 4): NbSmt4,
    ("fpga", 1): FpgaConventional,
    ("fpga", 2): FpgaNbSmt2,
    ("fpga", 4): FpgaNbSmt4,
}


class NbSmtGates(Gates):
    """See `Gates`."""

    def multiplier(self, config: PEConfig) -> type[Multiplier]:
        return MULTIPLIERS[config.target, config.threads]

    def events(self, config: PEConfig) -> dict[str, Polynomial]:
        assert isinstance(config, NbSmtConfig)
        return events(config)

    def fact(self, config: PEConfig, letter: str, pair: int, operand: Value, running: Running) -> Value:
        match letter:
            case "s":
                return operand.any() & fits(operand)
            case "p":
                return ~fits(operand) & running.several & ~running.quad
            case "q":
                return ~fits(operand) & running.quad
            case "r":
                return running.is_one_of_several(pair)
        return super().fact(config, letter, pair, operand, running)


KIND = NbSmtGates()
