# SPDX-License-Identifier: Apache-2.0
"""The digits network: four layers on uint8 activations with zero point 0, a network of `sysmt.sim.nn` like any other.

Its first and last layer run exact, on one thread (`sysmt.sim.nn.forward.threaded`).
"""

from functools import lru_cache
from importlib.resources import as_file, files

import numpy as np

from sysmt.sim.golden.requantize import Requantize
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.graph import Tensor
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.network import Network, Step
from sysmt.sim.nn.operators.linear import AddBias, Linear

NAME = "digits"
"""How readers call it."""
SIDE = 8
"""Height and width of an image."""
EDGE = ((1, 1), (1, 1))

LAYERS = (
    Layer(
        name="conv1",
        kind="conv",
        geometry=Geometry(size=(SIDE, SIDE), kernel=(3, 3), padding=EDGE),
        channels=1,
        outputs=16,
        bias=True,
    ),
    Layer(
        name="conv2",
        kind="conv",
        geometry=Geometry(size=(SIDE, SIDE), kernel=(3, 3), padding=EDGE),
        channels=16,
        outputs=16,
        bias=True,
    ),
    Layer(
        name="conv3",
        kind="conv",
        geometry=Geometry(size=(SIDE, SIDE), kernel=(3, 3), stride=(2, 2), padding=EDGE),
        channels=16,
        outputs=32,
        bias=True,
    ),
    Layer(name="dense", kind="fc", geometry=Geometry(size=(4, 4), kernel=(4, 4)), channels=32, outputs=10, bias=True),
)


@lru_cache(maxsize=1)
def load() -> Network:
    """The trained network, from the file that `python -m sysmt.sim.nn.digits.train` writes."""
    with as_file(files(__package__) / "weights.npz") as path, np.load(path) as arrays:
        return from_arrays(dict(arrays))


def from_arrays(arrays: dict[str, np.ndarray]) -> Network:
    """Build the network from arrays named `<layer>_weights`, `_bias`, `_multiplier`, `_shift`.

    It takes images uint8 [B, 8, 8, 1] and gives scores int64 [B, 10]: the last layer's sums with their bias.
    """
    tensors = [Tensor(name="pixels", shape=(1, SIDE, SIDE, 1), dtype="uint8")]
    steps = []
    for index, layer in enumerate(LAYERS):
        last = layer is LAYERS[-1]
        weights, bias = (arrays[f"{layer.name}_{what}"] for what in ("weights", "bias"))
        requantize: Requantize | AddBias = AddBias(bias=bias)
        if not last:
            multiplier, shift = (arrays[f"{layer.name}_{what}"] for what in ("multiplier", "shift"))
            requantize = Requantize(bias=bias, multiplier=multiplier, shift=shift)
        shape, dtype = ((layer.outputs,), "int64") if last else ((*layer.out_size, layer.outputs), "uint8")
        tensors.append(Tensor(name=layer.name, shape=(1, *shape), dtype=dtype))
        step = Step(
            kind="FULLY_CONNECTED" if layer.kind == "fc" else "CONV_2D",
            inputs=(index,),
            output=index + 1,
            result=tensors[-1],
            operation=Linear(layer=layer, weights=weights, zero=0, requantize=requantize, shape=shape, dtype=dtype),
            last_use=(index,),
        )
        steps.append(step)
    return Network(
        input=tensors[0],
        output=tensors[-1],
        input_index=0,
        output_index=len(steps),
        steps=tuple(steps),
        constants={},
    )
