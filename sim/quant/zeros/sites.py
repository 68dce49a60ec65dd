# SPDX-License-Identifier: Apache-2.0
"""Where zeros can be predicted: outputs behind a ReLU of layers with an image for an output.

The ReLU is the layer's own, or that of an ADD which runs behind the layer and alone reads it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sysmt.sim.nn.network import Network, Step
from sysmt.sim.nn.operators.linear import AddBias, Linear

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
        shape = step.result.shape
        image = len(shape) == 4 and shape[0] == 1 and min(shape[1:3]) > 1
        if isinstance(step.operation, Linear):
            index = len(layer_of)
            layer_of[step.output] = index
            rectified = not isinstance(step.operation.requantize, AddBias) and _is_rectified(step)
        else:
            fused = step.fused
            if fused is None or fused.main not in layer_of or step.node is None:
                continue
            index = layer_of[fused.main]
            rectified = step.node.options.get("activation") in ("RELU", "RELU6") and _starts_at_zero(step)
        if not (image and rectified):
            continue
        linear = network.linears[index]
        found.append(
            Site(index, linear.name, place, (shape[1], shape[2], shape[3]), step.result.z, len(linear.weights))
        )
    return tuple(found)


def _starts_at_zero(step: Step) -> bool:
    return len(step.result.scale) == 1 and step.result.z == np.iinfo(step.result.dtype).min


def _is_rectified(step: Step) -> bool:
    """Whether the least integer of a layer's output is zero, and clamps what is below."""
    if not _starts_at_zero(step):
        return False
    assert isinstance(step.operation, Linear)
    requantize = step.operation.requantize
    return not isinstance(requantize, AddBias) and requantize.low == step.result.z


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
