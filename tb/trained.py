# SPDX-License-Identifier: Apache-2.0
"""A network in training with random parameters, calibrated, and bytes for it: for tests that need no training."""

import numpy as np
import torch

from sysmt.sim.train.architecture import ARCHITECTURES
from sysmt.sim.train.calibration import calibrate, recalibrate
from sysmt.sim.train.network import TrainedNetwork


def trained(name, seed=1):
    """A network, one of its channels turned around and one switched off in every layer, and its inputs uint8."""
    architecture = ARCHITECTURES[name]
    random = torch.Generator().manual_seed(seed)
    network = TrainedNetwork(architecture, seed=seed)
    with torch.no_grad():
        for key, values in network.parameters.items():
            if not key.endswith("weight"):
                values += 0.4 * torch.randn(values.shape, generator=random)
            if key.endswith("gamma"):
                values[:2] = torch.tensor([-0.7, 0.0])
    size = (4, *architecture.size, architecture.channels)
    inputs = torch.randint(0, 256, size, generator=random, dtype=torch.uint8)
    recalibrate(network, [inputs], None)
    calibrate(network, [inputs])
    return network, inputs


def signed(inputs):
    """Bytes as the exported network takes them: int8."""
    return np.ascontiguousarray(inputs.numpy() ^ np.uint8(128)).view(np.int8)
