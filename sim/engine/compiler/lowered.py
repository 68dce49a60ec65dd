# SPDX-License-Identifier: Apache-2.0
"""A network in layers of the engine, before they have addresses."""

from dataclasses import dataclass

from sysmt.sim.engine.layer import EngineLayer, Image
from sysmt.sim.nn.network import Step


@dataclass(frozen=True, kw_only=True, eq=False)
class Lowered:
    """A network in layers of the engine.

    Parameters
    ----------
    layers : tuple of EngineLayer
        In the order they run.
    images : dict of tensor to Image
        Every tensor in activation memory.
    owner : dict of tensor to tensor
        A reshaped tensor lies where its source does.
    joins : dict of tensor to tuple of tensor
        A concatenated tensor and its parts, one behind the other: channels where the images differ in channels or
        `by_channel` says so, else pixels.
    by_channel : frozenset of tensor
        Concatenated tensors whose parts are channels.
    input, output : int
        Tensors that the host writes and reads.
    before, after : tuple of Step
        What the host computes in front and behind.
    """

    layers: tuple[EngineLayer, ...]
    images: dict[int, Image]
    owner: dict[int, int]
    joins: dict[int, tuple[int, ...]]
    by_channel: frozenset[int]
    input: int
    output: int
    before: tuple[Step, ...]
    after: tuple[Step, ...]


@dataclass(frozen=True)
class Stop:
    """The first step that the engine cannot run."""

    index: int
    name: str
    reason: str
