# SPDX-License-Identifier: Apache-2.0
"""Layer tables of networks: shapes, multiply-accumulates, parameters."""

from sysmt.sim.nn.layer import Layer, total_macs, total_params

from .build import VARIANTS, network
from .definitions import DEFINITIONS

NETWORKS = tuple(DEFINITIONS)

__all__ = ["NETWORKS", "VARIANTS", "Layer", "network", "total_macs", "total_params"]
