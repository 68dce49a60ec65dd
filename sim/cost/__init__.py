# SPDX-License-Identifier: Apache-2.0
"""How many cycles a network takes: on our array, in FuSeConv's published model, in SCALE-Sim."""

from .evaluate import METHODS, CycleModel, CycleReport, LayerCycles, cycle_model, cycles_of, evaluate
from .scalesim import DATAFLOWS

__all__ = [
    "DATAFLOWS",
    "METHODS",
    "CycleModel",
    "CycleReport",
    "LayerCycles",
    "cycle_model",
    "cycles_of",
    "evaluate",
]
