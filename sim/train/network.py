# SPDX-License-Identifier: Apache-2.0
"""A network in training: its parameters, their normalisation, and the forward pass in real numbers.

`sysmt.sim.train.quantised` has the pass as the array computes it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch.nn import functional

from .architecture import INPUT, Architecture, Block

EPSILON = 1e-3
"""Added to variances before they divide."""
MOMENTUM = 0.1

Observer = Callable[[str, torch.Tensor], None]
"""Is shown every block's name and output."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What a tensor's bytes mean: `real = scale * (byte - zero)`; `scale` is a float32."""

    scale: float
    zero: int


@dataclass(eq=False)
class TrainedNetwork:
    """Parameters of an architecture, and what it computes with them.

    Parameters
    ----------
    architecture : Architecture
    device : str
    seed : int
        Of the initial weights: normal with the variance that keeps ReLU networks alive (He et al., 2015).

    Members
    -------
    parameters : dict of tensor
        `NAME.weight` float32 [O, I, KH, KW], `NAME.gamma`, `NAME.beta` [O], of the last layer `NAME.bias`.
    statistics : dict of tensor
        `NAME.mean`, `NAME.variance` [O] of the sums before the normalisation, in real units.
    masks : dict of tensor
        `NAME.weight`: 1 where a weight is kept, 0 where it is pruned.
    scales : dict of Scale
        Of the blocks' outputs; empty before `sysmt.sim.train.calibration.calibrate`.
    momentum : float
        Share that a batch has in the running statistics.
    """

    architecture: Architecture
    device: str = "cpu"
    seed: int = 0
    parameters: dict[str, torch.Tensor] = field(default_factory=dict)
    statistics: dict[str, torch.Tensor] = field(default_factory=dict)
    masks: dict[str, torch.Tensor] = field(default_factory=dict)
    scales: dict[str, Scale] = field(default_factory=dict)
    momentum: float = MOMENTUM

    def __post_init__(self) -> None:
        random = torch.Generator().manual_seed(self.seed)
        for block in self.architecture.weighted:
            outputs = self.architecture.shapes[block.name][1]
            shape = (outputs, self._channels(block), *self.architecture.geometry(block).kernel)
            fan_in = shape[1] * shape[2] * shape[3]
            own = {"weight": torch.randn(shape, generator=random) * (2 / fan_in) ** 0.5}
            own |= {"bias": torch.zeros(outputs)} if block.kind == "dense" else {}
            if block.kind != "dense":
                own |= {"gamma": torch.ones(outputs), "beta": torch.zeros(outputs)}
                for name, value in (("mean", 0.0), ("variance", 1.0)):
                    self.statistics[f"{block.name}.{name}"] = torch.full((outputs,), value, device=self.device)
            for name, values in own.items():
                self.parameters[f"{block.name}.{name}"] = values.to(self.device).requires_grad_()

    def _channels(self, block: Block) -> int:
        """Input channels that one filter sees."""
        return 1 if block.kind == "depthwise" else self.architecture.shapes[block.inputs[0]][1]

    def weight(self, block: Block) -> torch.Tensor:
        """The weights, pruned ones zero."""
        name = f"{block.name}.weight"
        return self.parameters[name] * self.masks[name] if name in self.masks else self.parameters[name]

    def sparsity(self) -> float:
        """Share of the weights that are pruned, of all layers."""
        weights = [self.parameters[f"{block.name}.weight"] for block in self.architecture.weighted]
        pruned = sum(int((mask == 0).sum()) for mask in self.masks.values())
        return pruned / sum(int(values.numel()) for values in weights)

    def scale(self, name: str) -> Scale:
        """What the bytes of a block's output, or of the input, mean."""
        if name == INPUT:
            return Scale(scale=float(np.float32(self.architecture.scale)), zero=self.architecture.zero)
        return self.scales[name]

    def real(self, inputs: torch.Tensor, training: bool = False, observe: Observer | None = None) -> torch.Tensor:
        """Scores float32 [B, classes] of bytes [B, H, W, C], without quantisation.

        Parameters
        ----------
        inputs : tensor [B, H, W, C]
            Bytes 0 to 255.
        training : bool
            Normalise by the batch's own statistics, and add them to the running ones.
        observe : function of a block's name and its output, optional
        """
        values = {INPUT: (inputs.float() - self.architecture.zero) * self.architecture.scale}
        for block in self.architecture.blocks:
            sources = [values[name] for name in block.inputs]
            if block.weighted:
                y = self.convolved(sources[0], self.weight(block), block)
                scale, offset = self.normalisation(block, y, training)
                y = y * scale + offset
            else:
                y = sources[0] + sources[1] if block.kind == "add" else sources[0].mean((1, 2), keepdim=True)
            values[block.name] = functional.relu(y) if block.relu else y
            if observe is not None:
                observe(block.name, values[block.name])
        return values[self.architecture.blocks[-1].name].flatten(1)

    def convolved(self, x: torch.Tensor, weight: torch.Tensor, block: Block) -> torch.Tensor:
        """[B, H, W, C] to [B, OH, OW, O], edges padded with 0."""
        geometry = self.architecture.geometry(block)
        (top, bottom), (left, right) = geometry.padding
        padded = functional.pad(x.permute(0, 3, 1, 2), (left, right, top, bottom))
        groups = x.shape[3] if block.kind == "depthwise" else 1
        return functional.conv2d(padded, weight, stride=geometry.stride, groups=groups).permute(0, 2, 3, 1)

    def normalisation(self, block: Block, y: torch.Tensor, training: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Scale and offset [O] of the batch normalisation of y; of the last layer 1 and its bias."""
        if block.kind == "dense":
            bias = self.parameters[f"{block.name}.bias"]
            return torch.ones_like(bias), bias
        gamma, beta = (self.parameters[f"{block.name}.{name}"] for name in ("gamma", "beta"))
        names = [f"{block.name}.{name}" for name in ("mean", "variance")]
        mean, variance = (self.statistics[name] for name in names)
        if training:
            mean, variance = y.mean((0, 1, 2)), y.var((0, 1, 2), correction=0)
            with torch.no_grad():
                for name, value in zip(names, (mean, variance), strict=True):
                    self.statistics[name].lerp_(value, self.momentum)
        scale = gamma * torch.rsqrt(variance + EPSILON)
        return scale, beta - mean * scale
