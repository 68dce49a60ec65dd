# SPDX-License-Identifier: Apache-2.0
"""Post-training quantisation: int8 weights per output channel, uint8 activations with zero point 0, integer biases."""

import numpy as np

from sysmt.sim.golden.requantize import quantize_multiplier

from .data import Images
from .network import LAYERS
from .training import Parameters, activations


def quantise(parameters: list[Parameters], calibration: Images) -> dict[str, np.ndarray]:
    """Quantise a trained network.

    Parameters
    ----------
    parameters : list of Parameters
    calibration : Images
        The largest activation of each layer on these becomes 255.

    Returns
    -------
    dict of arrays
        What `network.from_arrays` reads.
    """
    ranges = [x.max() for x in activations(parameters, calibration.pixels)]
    arrays: dict[str, np.ndarray] = {}
    scale = 1 / 16  # of the pixels, which are used as they are
    for layer, trained, top in zip(LAYERS, parameters, ranges[1:], strict=True):
        last = layer is LAYERS[-1]
        # One scale for all scores keeps them comparable; elsewhere every channel has its own.
        reach = np.abs(trained.weights).max(axis=None if last else 0)
        weight_scale = np.broadcast_to(reach / 127, layer.outputs)
        arrays[f"{layer.name}_weights"] = np.rint(trained.weights / weight_scale).astype(np.int8)
        arrays[f"{layer.name}_bias"] = np.rint(trained.bias / (scale * weight_scale)).astype(np.int32)
        if last:
            continue
        next_scale = top / 255
        pairs = [quantize_multiplier(float(s)) for s in scale * weight_scale / next_scale]
        arrays[f"{layer.name}_multiplier"] = np.array([m for m, _ in pairs], np.int32)
        arrays[f"{layer.name}_shift"] = np.array([s for _, s in pairs], np.int32)
        scale = next_scale
    return arrays
