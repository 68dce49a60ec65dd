# SPDX-License-Identifier: Apache-2.0
"""How many cycles a network takes: on our array, in FuSeConv's published model, in SCALE-Sim."""

from sysmt.sim.nn.readers.topology import read_topology

from .evaluate import METHODS, CycleReport, LayerCycles, evaluate
from .scalesim import DATAFLOWS

__all__ = ["DATAFLOWS", "METHODS", "CycleReport", "LayerCycles", "evaluate", "read_topology"]
