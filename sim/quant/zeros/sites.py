# SPDX-License-Identifier: Apache-2.0
"""Where zeros can be predicted: outputs behind a ReLU of layers with an image for an output.

The ReLU is the layer's own, or that of an ADD which runs behind the layer and alone reads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sysmt.sim.nn.graph import RANGES
from sysmt.sim.nn.network import Network, Step
from sysmt.sim.nn.operators.linear import AddBias, Linear
from sysmt.sim.nn.scales import clamp

Mask = Callable[[np.ndarray], np.ndarray]
"""From outputs [B, H, W, C], 0 for zero, to bool: which are predicted zero, and left out."""


@dataclass(frozen=True, eq=False)
class Site:
    """One place.

    Parameters
    ----------
    layer : int
        Of the layers of the array, the one whose products are left out.
    name : str
        The layer's.
    step : int
        Of the network's steps, the one behind whose output the zeros are.
    shape : (int, int, int)
        Height, width, channels of the output.
    zero : int
        The integer that stands for zero: the least one.
    macs : int
        Multiply-accumulates of one output.
    """

    layer: int
    name: str
    step: int
    shape: tuple[int, int, int]
    zero: int
    macs: int


def sites(network: Network) -> tuple[Site, ...]:
    """All of a network, in the order of its layers."""
    found: list[Site] = []
    layer_of: dict[int, int] = {}
    for place, step in enumerate(network.steps):
        if isinstance(step.operation, Linear):
            index = layer_of[step.output] = len(layer_of)
            zero = _zero_of_layer(step.operation)
        elif step.fused is not None and step.fused.main in layer_of:
            index = layer_of[step.fused.main]
            zero = _zero_of_addition(step)
        else:
            continue
        shape = step.result.shape
        if zero is not None and len(shape) == 4 and shape[0] == 1 and min(shape[1:3]) > 1:
            linear = network.linears[index]
            size = (shape[1], shape[2], shape[3])
            found.append(Site(index, linear.name, place, size, zero, len(linear.weights)))
    return tuple(found)


def _zero_of_layer(linear: Linear) -> int | None:
    """The integer for zero of a layer that clamps there; None of others."""
    requantize = linear.requantize
    if isinstance(requantize, AddBias) or requantize.low != requantize.zero_point:
        return None
    return int(requantize.zero_point)


def _zero_of_addition(step: Step) -> int | None:
    """The same of an ADD: it has a ReLU, or its least integer is zero."""
    if step.result.dtype not in RANGES or len(step.result.scale) != 1:
        return None
    activation = "NONE" if step.node is None else str(step.node.options.get("activation", "NONE"))
    return step.result.z if clamp(activation, step.result)[0] == step.result.z else None


def outputs_at(site: Site, values: np.ndarray) -> np.ndarray:
    """Integers of a tensor there as outputs [B, H, W, C], 0 for zero: int16."""
    outputs: np.ndarray = values.reshape(-1, *site.shape).astype(np.int16) - np.int16(site.zero)
    return outputs


def masked(network: Network, masks: Mapping[Site, Mask]) -> Network:
    """The network with predicted zeros in place of what they are predicted for."""
    after = {site.step: (site, mask) for site, mask in masks.items()}
    steps: list[Step] = []
    for place, step in enumerate(network.steps):
        steps.append(step)
        if place in after:
            steps.append(
                replace(
                    step,
                    kind="PREDICTED_ZEROS",
                    inputs=(step.output,),
                    operation=_without(*after[place]),
                    last_use=(),
                    node=None,
                    fused=None,
                )
            )
    return replace(network, steps=tuple(steps))


def _without(site: Site, mask: Mask) -> Callable[[np.ndarray], np.ndarray]:
    def run(values: np.ndarray) -> np.ndarray:
        left_out = mask(outputs_at(site, values))
        return np.where(left_out.reshape(values.shape), values.dtype.type(site.zero), values)

    return run
