# SPDX-License-Identifier: Apache-2.0
"""Training of the digits network in plain numpy, with the same result to the last bit on every machine.

Matrix libraries add in an order of their own. So every matrix product here is of operands rounded to 20 significant
bits below their largest value, whose sums are exact in float64 in any order; what remains is element by element, in
additions, products, quotients and square roots, which IEEE 754 rounds in one way only. Random numbers come from
`RandomState`, whose stream numpy has frozen.
"""

from dataclasses import dataclass, field

import numpy as np

from sysmt.sim.nn.layer import Layer

from .data import Images
from .network import LAYERS

SIGNIFICANT_BITS = 20
LONGEST_SUM = 2 ** (53 - 2 * SIGNIFICANT_BITS)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train."""

    seed: int = 7
    epochs: int = 24
    batch: int = 64
    rate: float = 2.0**-8
    decay: float = 2.0**-3
    """Weight decay (decoupled, times the rate)."""


@dataclass(eq=False)
class Parameters:
    """Of one layer, or the gradients of them: weights float64 [K, N], bias float64 [N]."""

    weights: np.ndarray
    bias: np.ndarray


@dataclass(eq=False)
class Adam:
    """Kingma and Ba, ICLR 2015, with powers of two for the constants; one array's state."""

    value: np.ndarray
    mean: np.ndarray = field(init=False)
    square: np.ndarray = field(init=False)
    faded_mean: float = 1.0
    faded_square: float = 1.0

    def __post_init__(self) -> None:
        self.mean, self.square = np.zeros_like(self.value), np.zeros_like(self.value)

    def step(self, gradient: np.ndarray, rate: float, decay: float) -> None:
        """Update `value` in place."""
        keep_mean, keep_square = 1 - 2.0**-3, 1 - 2.0**-9
        self.mean = keep_mean * self.mean + (1 - keep_mean) * gradient
        self.square = keep_square * self.square + (1 - keep_square) * (gradient * gradient)
        # Running products instead of powers: pow() may differ in the last bit between C libraries.
        self.faded_mean *= keep_mean
        self.faded_square *= keep_square
        mean = self.mean / (1 - self.faded_mean)
        square = self.square / (1 - self.faded_square)
        self.value -= rate * (mean / (np.sqrt(square) + 2.0**-27) + decay * self.value)


def exact_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Multiply matrices whose entries are first rounded to a common grid, so that the sums are exact."""
    if a.shape[1] > LONGEST_SUM:
        raise ValueError(f"depth must be at most {LONGEST_SUM}, not {a.shape[1]}")
    product: np.ndarray = _on_grid(a) @ _on_grid(b)
    return product


def _on_grid(values: np.ndarray) -> np.ndarray:
    """Round to multiples of 2**(e - 20), e being the exponent of the largest magnitude."""
    _, exponent = np.frexp(np.abs(values).max())
    grid = 2.0 ** (int(exponent) - SIGNIFICANT_BITS)
    return np.rint(values / grid) * grid


def initial(rng: np.random.RandomState) -> list[Parameters]:
    """Uniform weights of the variance that keeps ReLU networks alive (He et al., 2015), no bias."""
    parameters = []
    for layer in LAYERS:
        k, n = layer.products.k, layer.outputs
        weights = np.sqrt(6 / k) * (2 * rng.random_sample((k, n)) - 1)
        parameters.append(Parameters(weights, np.zeros(n)))
    return parameters


def activations(parameters: list[Parameters], pixels: np.ndarray) -> list[np.ndarray]:
    """Every layer's input, then the scores: float64, images scaled to 0..1."""
    inputs = [pixels / 16]
    for layer, trained in zip(LAYERS, parameters, strict=True):
        sums = exact_product(_rows(layer, inputs[-1]), trained.weights) + trained.bias
        sums = sums.reshape(len(pixels), *layer.out_size, layer.outputs)
        inputs.append(sums if layer is LAYERS[-1] else np.maximum(sums, 0))
    return inputs


def _rows(layer: Layer, x: np.ndarray) -> np.ndarray:
    """The layer's input as the left side of its product: [B * OH * OW, K]."""
    return layer.geometry.im2col(x).reshape(-1, layer.products.k)


def gradients(parameters: list[Parameters], images: Images) -> list[Parameters]:
    """Of the mean squared distance between the scores and one-hot targets."""
    inputs = activations(parameters, images.pixels)
    target = np.zeros((len(images), 1, 1, 10))
    target[np.arange(len(images)), 0, 0, images.labels] = 1
    flow = (inputs[-1] - target) / len(images)
    slopes = []
    for layer, trained, x, y in reversed(list(zip(LAYERS, parameters, inputs[:-1], inputs[1:], strict=True))):
        if layer is not LAYERS[-1]:
            flow = flow * (y > 0)
        rows = flow.reshape(-1, layer.outputs)
        weights = exact_product(_rows(layer, x).T, rows)
        bias = exact_product(np.ones((1, len(rows))), rows)[0]
        slopes.append(Parameters(weights, bias))
        if layer is not LAYERS[0]:
            back = exact_product(rows, trained.weights.T)
            flow = layer.geometry.col2im(back.reshape(len(back), -1, layer.channels))
    return slopes[::-1]


def train(images: Images, recipe: Recipe) -> list[Parameters]:
    """Train from scratch. The learning rate falls linearly to zero."""
    rng = np.random.RandomState(recipe.seed)
    parameters = initial(rng)
    optimisers = [(Adam(layer.weights), Adam(layer.bias)) for layer in parameters]
    batches = len(images) // recipe.batch
    total = recipe.epochs * batches
    for epoch in range(recipe.epochs):
        order = rng.permutation(len(images))
        for batch in range(batches):
            part = images[order[batch * recipe.batch : (batch + 1) * recipe.batch]]
            rate = recipe.rate * (1 - (epoch * batches + batch) / total)
            for (weights, bias), gradient in zip(optimisers, gradients(parameters, part), strict=True):
                weights.step(gradient.weights, rate, recipe.decay)
                bias.step(gradient.bias, rate, 0)
    return parameters
