# SPDX-License-Identifier: Apache-2.0
"""ZAP's predictor: two 3x3 depthwise convolutions with a ReLU between, from the computed pixels to a score per output.

It is trained on outputs of the layer alone, without labels, to tell those that are not zero (ECCV 2020, section 3).
Normalisation is by the root mean square of every channel, in place of the paper's batch normalisation; the optimiser is
Adam over all examples at once, so that the result follows from the data and the seed.
"""

from dataclasses import dataclass

import numpy as np

STEPS = 100
RATE = 0.02
SEED = 2020


def taps(x: np.ndarray) -> list[np.ndarray]:
    """The nine neighbours of every pixel, zeros beyond the edge: each [B, H, W, C]."""
    _, height, width, _ = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    return [padded[:, i : i + height, j : j + width] for i in range(3) for j in range(3)]


def _depthwise(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    total = np.zeros_like(x)
    for tap, row in zip(taps(x), w, strict=True):
        total += tap * row
    return total


def _weights_gradient(x: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    return np.stack([np.einsum("bhwc,bhwc->c", tap, gradient) for tap in taps(x)])


@dataclass(frozen=True, eq=False)
class Predictor:
    """A trained predictor of one layer.

    Parameters
    ----------
    computed : bool [H, W]
        The pattern: what is computed first.
    scale : float32 [C]
        What values are divided by.
    parameters : tuple of float32 arrays
        Weights [9, C] and biases [C] of both convolutions.
    """

    computed: np.ndarray
    scale: np.ndarray
    parameters: tuple[np.ndarray, ...]

    def scores(self, values: np.ndarray) -> np.ndarray:
        """Outputs [B, H, W, C], 0 for zero, to scores float32: higher for outputs that are not zero.

        Only computed pixels are looked at; where a pixel is computed the score is infinite.
        """
        seen = values.astype(np.float32) * self.computed[..., None] / self.scale
        first, first_bias, second, second_bias = self.parameters
        hidden = np.maximum(_depthwise(seen, first) + first_bias, 0)
        found: np.ndarray = _depthwise(hidden, second) + second_bias
        found[:, self.computed] = np.inf
        return found


def train(values: np.ndarray, computed: np.ndarray, steps: int = STEPS) -> Predictor:
    """Train a predictor on a layer's outputs.

    Parameters
    ----------
    values : array [B, H, W, C]
        Outputs behind the ReLU, 0 for zero.
    computed : bool [H, W]
        The pattern.
    steps : int
        Of Adam.
    """
    real = values.astype(np.float32)
    scale = np.sqrt(np.mean(real**2, axis=(0, 1, 2))) + np.float32(1e-6)
    seen = real * computed[..., None] / scale
    wanted = (values > 0).astype(np.float32)
    counted = np.broadcast_to(~computed[..., None], values.shape[1:]).astype(np.float32)
    channels = values.shape[3]
    rng = np.random.default_rng(SEED)
    spread = rng.normal(scale=0.1, size=(2, 9, channels)).astype(np.float32)
    # It begins as what is obvious: the mean of what is there says what is amid it.
    parameters = [spread[0] + np.float32(0.25), np.zeros(channels, np.float32), spread[1], wanted.mean(axis=(0, 1, 2))]
    parameters[2][4] += np.float32(0.5)
    moments = [[np.zeros_like(p), np.zeros_like(p)] for p in parameters]
    share = 2 / max(1, int(len(values) * counted[..., 0].sum()))
    for step in range(1, steps + 1):
        first, first_bias, second, second_bias = parameters
        hidden = np.maximum(_depthwise(seen, first) + first_bias, 0)
        error = (_depthwise(hidden, second) + second_bias - wanted) * counted * np.float32(share)
        back = _depthwise(error, second[::-1]) * (hidden > 0)
        gradients = [
            _weights_gradient(seen, back),
            back.sum(axis=(0, 1, 2)),
            _weights_gradient(hidden, error),
            error.sum(axis=(0, 1, 2)),
        ]
        rate = RATE * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        for i, gradient in enumerate(gradients):
            mean, square = moments[i]
            mean += np.float32(0.1) * (gradient - mean)
            square += np.float32(0.001) * (gradient**2 - square)
            parameters[i] = (parameters[i] - rate * mean / (np.sqrt(square) + 1e-8)).astype(np.float32)
    return Predictor(computed, scale, tuple(parameters))
