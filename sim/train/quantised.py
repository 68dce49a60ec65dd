# SPDX-License-Identifier: Apache-2.0
"""The forward pass of a network in training as the array will compute it.

It gives the integers of the exported network to the last bit, NB-SMT included, and the gradients of the pass in real
numbers where values are not clipped (straight-through estimator; Bengio et al., 2013). Weights are symmetric per output
channel, so that a normalisation behind them changes scales and biases only, never the int8 weights: its statistics can
be taken again under NB-SMT at any time (Shomron and Weiser, MICRO 2020, section 5).
"""

from dataclasses import dataclass

import torch
from torch.nn import functional

from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.requantize import quantize_multiplier
from sysmt.sim.nn.operators.arithmetic import ADD_SHIFT

from . import arithmetic
from .architecture import INPUT, Block
from .arithmetic import through
from .network import Observer, TrainedNetwork
from .products import product

LEAST_SCALE = 2.0**-30
"""Of a weight: a channel that training switched off keeps a scale that a file can hold."""

FINE = 127
"""Steps from which on no weight is clipped."""
CANDIDATES = 50
"""Steps that are tried below."""


@dataclass(frozen=True, kw_only=True)
class Mode:
    """How the array computes.

    Parameters
    ----------
    pe : PEConfig
    threads : int
        Of the layers that may be threaded; the others run on one.
    bits : int
        Of the weights.
    """

    pe: PEConfig
    threads: int = 1
    bits: int = 8


@dataclass(frozen=True, eq=False)
class Integers:
    """What of a layer is exported.

    Parameters
    ----------
    weights : float32 [O, I, KH, KW]
        Integers, with a gradient.
    scales : float32 [O]
        What one step of them is worth, the scale of the normalisation in it.
    bias : int64 [O]
    """

    weights: torch.Tensor
    scales: torch.Tensor
    bias: torch.Tensor


def quantised(
    network: TrainedNetwork,
    inputs: torch.Tensor,
    mode: Mode,
    training: bool = False,
    observe: Observer | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The exported network's integers, with gradients.

    Parameters
    ----------
    network : TrainedNetwork
        Calibrated.
    inputs : tensor [B, H, W, C]
        Bytes 0 to 255.
    mode : Mode
    training : bool
        Normalise by the batch's own statistics, and add them to the running ones: the integers are then those of a
        network with these statistics.
    observe : Observer, optional
        Is shown bytes, 0 to 255.

    Returns
    -------
    scores : float32 [B, classes]
        In real units, before they are rounded: what a loss is computed from.
    answers : float32 [B, classes]
        Their bytes.
    """
    values = {INPUT: inputs.float()}
    scores = values[INPUT]
    for block in network.architecture.blocks:
        sources = [values[name] for name in block.inputs]
        if block.weighted:
            values[block.name], scores = _layer(network, block, sources[0], mode, training)
        elif block.kind == "add":
            values[block.name] = _sum(network, block, sources)
        else:
            values[block.name] = _mean(sources[0])
        if observe is not None:
            observe(block.name, values[block.name])
    return scores.flatten(1), values[network.architecture.blocks[-1].name].flatten(1)


def integers(network: TrainedNetwork, block: Block, bits: int = 8) -> Integers:
    """A layer as it is exported, by the running statistics."""
    with torch.no_grad():
        weights, step = _codes(network, block, bits)
        scale, offset = network.normalisation(block, weights, training=False)
        return Integers(weights, *_scaled(network, block, step, scale, offset))


def _codes(network: TrainedNetwork, block: Block, bits: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Integer weights, times the sign of the normalisation's scale, and what one step of them is worth [O]."""
    weight = network.weight(block) * _sign(network, block)[:, None, None, None]
    most = 2 ** (bits - 1) - 1
    with torch.no_grad():
        step = _step(weight.flatten(1), most).clamp(min=LEAST_SCALE)
    smooth = weight / step[:, None, None, None]
    return through(smooth.detach().round().clamp(-most, most), smooth), step


def _step(weight: torch.Tensor, most: int) -> torch.Tensor:
    """What one of `most` steps is worth per row: the largest weight fits; of few steps, the one of least squared error.

    With few steps a clipped weight costs less than coarse steps for all others.
    """
    whole = weight.abs().amax(1) / most
    if most >= FINE:
        return whole
    shares = torch.arange(1, CANDIDATES + 1, device=weight.device) / CANDIDATES
    steps = (whole[:, None] * shares).clamp(min=LEAST_SCALE)[:, :, None]
    rounded = (weight[:, None] / steps).round().clamp(-most, most) * steps
    best = ((rounded - weight[:, None]) ** 2).sum(2).argmin(1)
    return whole * shares[best]


def _sign(network: TrainedNetwork, block: Block) -> torch.Tensor:
    """-1 where the normalisation turns a channel around, else 1: float32 [O]."""
    scale = network.parameters[f"{block.name}.{'bias' if block.kind == 'dense' else 'gamma'}"]
    return torch.where((scale < 0) & (block.kind != "dense"), -1.0, 1.0)


def _scaled(
    network: TrainedNetwork, block: Block, step: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Scales float32 [O] and biases int64 [O], from scale and offset of the normalisation."""
    scales = (step * scale.abs()).clamp(min=LEAST_SCALE)
    unit = network.scale(block.inputs[0]).scale * scales.double()
    # Half of the range: the sums need the rest.
    limit = arithmetic.INT32.max // 2
    return scales, (offset.double() / unit).round().clamp(-limit, limit).long()


def _layer(
    network: TrainedNetwork, block: Block, x: torch.Tensor, mode: Mode, training: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """The output's bytes, and its real values before they are clipped and rounded."""
    source, target = network.scale(block.inputs[0]), network.scale(block.name)
    weights, step = _codes(network, block, mode.bits)
    threads = mode.threads if block.name in network.architecture.threaded() else 1
    with torch.no_grad():
        sums = _sums(network, block, x, weights, mode.pe, threads)
    smooth = network.convolved(x - source.zero, weights, block)
    real = through(sums.float(), smooth) * (source.scale * step * _sign(network, block))
    scale, offset = network.normalisation(block, real, training)
    real = real * scale + offset
    with torch.no_grad():
        scales, bias = _scaled(network, block, step, scale, offset)
        factor = source.scale * scales.double() / target.scale
        exact = arithmetic.multiply(sums + bias, *arithmetic.quantized_multiplier(factor)) + target.zero
    return _clipped(exact, real / target.scale + target.zero, target.zero if block.relu else 0), real


def _sums(
    network: TrainedNetwork, block: Block, x: torch.Tensor, weights: torch.Tensor, pe: PEConfig, threads: int
) -> torch.Tensor:
    """What the array adds up, the input's zero point taken off: int64 [B, OH, OW, O]."""
    geometry, zero = network.architecture.geometry(block), network.scale(block.inputs[0]).zero
    (top, bottom), (left, right) = geometry.padding
    padded = functional.pad(x.byte(), (0, 0, left, right, top, bottom), value=zero)
    rows = torch.stack(list(geometry.windows(padded)), dim=3)  # [B, OH, OW, taps, C]
    if block.kind == "depthwise":
        # Sums of a few bytes: exact in float32.
        sums = (rows.float() * weights.flatten(1).T).sum(3).long()
    else:
        by_tap = weights.permute(2, 3, 1, 0).reshape(-1, len(weights))
        sums = product(rows.reshape(-1, len(by_tap)), by_tap, pe, threads).view(*rows.shape[:3], len(weights))
    return sums - zero * weights.sum((1, 2, 3)).long()


def _sum(network: TrainedNetwork, block: Block, sources: list[torch.Tensor]) -> torch.Tensor:
    """ADD: both addends rescaled to one fixed-point scale."""
    target, scales = network.scale(block.name), [network.scale(name) for name in block.inputs]
    twice = 2 * max(scale.scale for scale in scales)
    with torch.no_grad():
        addends = [
            _multiplied((x.long() - s.zero) << ADD_SHIFT, s.scale / twice) for x, s in zip(sources, scales, strict=True)
        ]
        exact = _multiplied(addends[0] + addends[1], twice / (2**ADD_SHIFT * target.scale)) + target.zero
    a, b = ((x - s.zero) * s.scale for x, s in zip(sources, scales, strict=True))
    return _clipped(exact, (a + b) / target.scale + target.zero, target.zero if block.relu else 0)


def _multiplied(value: torch.Tensor, scale: float) -> torch.Tensor:
    multiplier, shift = (torch.tensor(number, device=value.device) for number in quantize_multiplier(scale))
    return arithmetic.multiply(value, multiplier, shift)


def _mean(x: torch.Tensor) -> torch.Tensor:
    """AVERAGE_POOL_2D over the whole image, rounded in the signed numbers of the file."""
    with torch.no_grad():
        total = (x.long() - 128).sum((1, 2), keepdim=True)
        exact = arithmetic.divide(total, x.shape[1] * x.shape[2]) + 128
    return through(exact.float(), x.mean((1, 2), keepdim=True))


def _clipped(exact: torch.Tensor, smooth: torch.Tensor, low: int) -> torch.Tensor:
    return through(exact.clamp(low, 255).float(), smooth.clamp(low, 255))
