# SPDX-License-Identifier: Apache-2.0
"""What the program on the SoC is given, as the C header `cases.h`: a product, a network, inputs, and all results."""

from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.boards.program_lists import ProgramLists
from sysmt.hdl.params.accel import AccelConfig
from sysmt.sim.engine.program import Program
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.requantize import Requantize
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.graph import Tensor
from sysmt.sim.nn.network import Network, Step
from sysmt.sim.nn.operators.linear import AddBias, Linear
from sysmt.sim.nn.operators.window import window

FLIP = {"int8": 128, "uint8": 0, "int64": 0}
"""What is added to activations: the processor's loops, like the engine, work on unsigned ones."""
SHAPE = (48, 128, 48)
"""M, K, N of the product."""


def cases(network: Network, program: Program, inputs: np.ndarray, accel: AccelConfig) -> str:
    """The header. Of `network` everything but a SOFTMAX at its end is run.

    Raises
    ------
    UserError
        The network is no chain of convolutions, fully connected layers and means.
    """
    network, lists = network.scores, ProgramLists(program, 0)
    flip = [np.uint8(FLIP[dtype]) for dtype in (network.input.dtype, network.output.dtype)]
    steps = [step for step in network.steps if step.kind != "RESHAPE"]
    done = [step.name for step in steps].index(program.output.name) + 1
    arrays, layers = [], []
    for i, step in enumerate(steps):
        more, fields = _layer(step, network.input if i == 0 else steps[i - 1].result, f"layer{i}")
        arrays += more
        layers.append("    {" + ", ".join(f".{name} = {_text(value)}" for name, value in fields.items()) + "},")
    outputs = Runner(network=network, engine=Golden(accel.array.pe), plan=exact_plan(network))(inputs)
    # Scores of 32 bits, or activations.
    outputs = outputs.astype(np.int32) if outputs.dtype == np.int64 else outputs.view(np.uint8) ^ flip[1]
    (m, k, n), random = SHAPE, np.random.default_rng(0)
    x, w = random.integers(0, 256, (m, k), np.uint8), random.integers(-128, 128, (k, n), np.int8)
    sizes = [int(np.prod(step.result.shape)) for step in steps]
    numbers = {
        **dict(zip("MKN", SHAPE, strict=True)),
        **{"LAYERS": len(steps), "ON_ENGINE": done, "INPUTS": len(inputs), "BUFFER_BYTES": 4 * max(*sizes, x.size)},
        **{"INPUT_FLIP": flip[0], "BOUNDARY_FLIP": FLIP[program.output.dtype]},
        **{"PACKED_BYTES": lists.pack(inputs[:1]).size, "OUTPUT_BYTES": lists.output_bytes},
    }
    arrays += [
        _array("uint8_t case_x", x.reshape(-1)),
        _array("int8_t case_w", w.reshape(-1)),
        _array("int32_t case_product", matmul(x, w, accel.array.pe, threads=1).sums.reshape(-1)),
        _array("uint8_t case_inputs", inputs.reshape(len(inputs), -1).view(np.uint8)),
        _array(f"{outputs.dtype.name}_t case_outputs", outputs.reshape(len(inputs), -1)),
    ]
    defined = [f"#define {name} {value}" for name, value in numbers.items()]
    table = ["static const cpu_layer_t cpu_layers[] = {", *layers, "};", ""]
    return "\n".join(['#include "cpu.h"', *defined, *arrays, *table])


def _array(name: str, values: np.ndarray) -> str:
    """A constant of one or two dimensions."""
    size = "".join(f"[{n}]" for n in values.shape)
    return f"static const {name}{size} = {_text(values.tolist())};"


def _text(value: Any) -> str:
    return f"{{{', '.join(map(_text, value))}}}" if isinstance(value, list | tuple) else str(value)


def _layer(step: Step, before: Tensor, name: str) -> tuple[list[str], dict[str, Any]]:
    """Arrays of a layer, and the fields of its entry in the table, which names them."""
    if isinstance(step.operation, Linear):
        return _linear(step.operation, name)
    if step.kind != "AVERAGE_POOL_2D" or step.node is None or step.node.options["activation"] != "NONE":
        raise UserError(f"{step.name} must be linear or a mean, not {step.kind}; choose another model")
    options, (_, down, across, channels) = step.node.options, before.shape
    geometry = window(step.name, (down, across), (options["filter_h"], options["filter_w"]), options)
    flip = FLIP[before.dtype]
    fields = {"kind": "CPU_AVERAGE", "zero": flip, "zero_point": flip, "low": 0, "high": 255}
    return [], fields | _geometry(geometry, channels, channels)


def _linear(linear: Linear, name: str) -> tuple[list[str], dict[str, Any]]:
    layer, after, depthwise = linear.layer, linear.requantize, linear.depthwise
    if not isinstance(after, Requantize | AddBias) or linear.weight_zero or layer.batch != 1:
        raise UserError(f"{linear.name} must have int8 weights with a zero point of 0; choose another model")
    if depthwise and layer.outputs != layer.channels:
        raise UserError(f"{linear.name} must have one filter per channel, not several; choose another model")
    weights = linear.weights if depthwise else linear.weights.T
    # The loops take the zero point off every activation, as TensorFlow Lite's do: their bias is the network's own.
    bias = after.bias.astype(np.int64) + linear.zero * linear.weights.astype(np.int64).sum(axis=0)
    arrays = {"int8_t": {"weights": weights}, "int32_t": {"bias": bias}}
    fields: dict[str, Any] = {"kind": "CPU_DEPTHWISE" if depthwise else "CPU_CONV", "zero": linear.zero}
    if isinstance(after, Requantize):
        flip = FLIP[linear.dtype]
        arrays["int32_t"]["multiplier"] = np.broadcast_to(after.multiplier, layer.outputs)
        arrays["int8_t"]["shift"] = np.broadcast_to(after.shift, layer.outputs)
        fields |= {"zero_point": after.zero_point + flip, "low": after.low + flip, "high": after.high + flip}
        fields |= {"twice": int(after.variant == "double")}
    else:
        fields |= {"scores": 1}
    named = {what: f"{name}_{what}" for group in arrays.values() for what in group}
    texts = [
        _array(f"{kind} {named[what]}", values.reshape(-1))
        for kind, group in arrays.items()
        for what, values in group.items()
    ]
    return texts, fields | named | _geometry(layer.geometry, layer.channels, layer.outputs)


def _geometry(geometry: Geometry, channels: int, outputs: int) -> dict[str, Any]:
    sizes = {"in": [*geometry.size, channels], "out": [*geometry.out_size, outputs]}
    sizes |= {name: list(getattr(geometry, name)) for name in ("kernel", "stride", "dilation")}
    return sizes | {"before": [side[0] for side in geometry.padding]}
