# SPDX-License-Identifier: Apache-2.0
"""Processing elements: one shell, and the kinds of multiplier that can be put into it."""

from ..config import PEConfig
from .multiplier import Conventional, Multiplier
from .nbsmt import NbSmt2, NbSmt4


def multiplier_kind(config: PEConfig) -> type[Multiplier]:
    """The kind of multiplier that `config` asks for."""
    return {1: Conventional, 2: NbSmt2, 4: NbSmt4}[config.threads]
