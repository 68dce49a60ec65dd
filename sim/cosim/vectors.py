# SPDX-License-Identifier: Apache-2.0
"""Golden vectors into a running testbench and results out of it, as .npz files beside the simulation."""

import os
from pathlib import Path
from typing import Any

import numpy as np


def load() -> dict[str, np.ndarray]:
    """The arrays that `sysmt.sim.cosim.simulator.run` was given."""
    with np.load(Path(os.environ["SYSMT_VECTORS"]) / "vectors.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def save(**arrays: np.ndarray) -> None:
    """The arrays that `sysmt.sim.cosim.simulator.run` will return."""
    named: Any = arrays  # numpy declares its own keywords only
    np.savez(Path(os.environ["SYSMT_VECTORS"]) / "results.npz", **named)
