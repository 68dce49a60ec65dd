# SPDX-License-Identifier: Apache-2.0
"""A network in layers of the engine, before they have addresses."""

from dataclasses import dataclass, field

from sysmt.sim.engine.layer import EngineLayer, Image
from sysmt.sim.nn.network import Step


@dataclass(frozen=True, kw_only=True)
class Bands:
    """A tensor that is computed band by band.

    Parameters
    ----------
    residual : int or None
        A tensor like it that its layers add, and that nothing reads behind them.
    behind : int
        Pixels that a pixel may lie in front of the residual's, for none of the residual to be lost: it is at the place
        of one that no later band reads.
    """

    residual: int | None
    behind: int


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
    offsets : dict of tensor to int
        Pixels of its owner in front of a tensor that is some rows of it.
    bands : dict of tensor to Bands
        Tensors that are computed band by band: joined from the bands.
    macs : dict of tensor to int
        Multiply-accumulates of the layers that compute bands, what several compute counted once.
    arriving : dict of tensor to int
        Rows of the input that come from an SDRAM in front of the layer that reads them, and the pixels in front of
        them; then there is no other input in the activation memory.
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
    offsets: dict[int, int] = field(default_factory=dict)
    bands: dict[int, Bands] = field(default_factory=dict)
    macs: dict[int, int] = field(default_factory=dict)
    arriving: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Stop:
    """The first step that the engine cannot run."""

    index: int
    name: str
    reason: str
