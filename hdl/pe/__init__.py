# SPDX-License-Identifier: Apache-2.0
"""Processing elements: one shell, and the kinds of multiplier that can be put into it."""

from sysmt.hdl.params.pe import PEConfig

from .fpga import FpgaConventional, FpgaNbSmt2, FpgaNbSmt4
from .multiplier import Conventional, Multiplier
from .nbsmt import NbSmt2, NbSmt4


def multiplier_kind(config: PEConfig) -> type[Multiplier]:
    """The kind of multiplier that `config` asks for."""
    kinds = {
        "asic": {1: Conventional, 2: NbSmt2, 4: NbSmt4},
        "fpga": {1: FpgaConventional, 2: FpgaNbSmt2, 4: FpgaNbSmt4},
    }
    return kinds[config.target][config.threads]
