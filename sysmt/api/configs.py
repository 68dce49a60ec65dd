# SPDX-License-Identifier: Apache-2.0
"""What the functions take: a configuration or the name of a preset, inputs or their file."""

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.config import Config
from sysmt.hdl.params.presets import preset

if TYPE_CHECKING:
    from sysmt.sim.nn.inputs import Inputs
    from sysmt.sim.nn.model import Model

C = TypeVar("C", bound=Config)


def array_config(config: ArrayConfig | str) -> ArrayConfig:
    """The array itself, or the preset of that name."""
    return config_of(config, ArrayConfig)


def config_of(config: Config | str, kind: type[C]) -> C:
    """The configuration itself, or the preset of that name; anything else is refused."""
    if isinstance(config, str):
        return preset(config, kind)
    if not isinstance(config, kind):
        raise UserError(f"config must be of class {kind.__name__} or the name of a preset, not {config!r}")
    return config


def inputs_of(inputs: "Inputs | np.ndarray | list[np.ndarray] | str | Path", model: "Model") -> "Inputs":
    """Inputs of a model: themselves, from arrays, or from a .npz file."""
    from sysmt.sim.nn.inputs import Inputs, load

    if isinstance(inputs, Inputs):
        return inputs
    if isinstance(inputs, (str, Path)):
        return load(Path(inputs), model.network)
    return Inputs(model.pack(inputs if isinstance(inputs, (list, tuple)) else [inputs]), None)
