# SPDX-License-Identifier: Apache-2.0
"""Layer tables of networks: shapes, multiply-accumulates, parameters."""

from sysmt.sim.nn.layer import total_macs, total_params

from .build import VARIANTS, network
from .definitions import DEFINITIONS

NETWORKS = tuple(DEFINITIONS)

__all__ = ["NETWORKS", "VARIANTS", "network", "total_macs", "total_params"]
