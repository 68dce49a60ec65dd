# SPDX-License-Identifier: Apache-2.0
"""How many cycles a network takes: on our array, in FuSeConv's published model, in SCALE-Sim."""

from .evaluate import METHODS, CycleReport, LayerCycles, evaluate
from .scalesim import DATAFLOWS
from .topology import read_topology

__all__ = ["DATAFLOWS", "METHODS", "CycleReport", "LayerCycles", "evaluate", "read_topology"]
