# SPDX-License-Identifier: Apache-2.0
"""SVDF of int8: an operator with a state of its own, on the host.

The state is an input and, updated, an output (`sysmt.sim.nn.graph.State`).
Source of the arithmetic: TensorFlow Lite, kernels/internal/reference/svdf.h.
"""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.golden.requantize import multiply
from sysmt.sim.nn.arrays import several
from sysmt.sim.nn.graph import ABSENT, Graph, Node
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.scales import VARIANT, multiplier, quantised

from .products import HostProduct, exact

SHORT = (-(2**15), 2**15 - 1)


def svdf(graph: Graph, node: Node) -> HostProduct:
    """SVDF: a filter over features, its results remembered, a filter over time, and a sum per unit."""
    x, features, time = (graph.input_of(node, i) for i in range(3))
    state, y = graph.input_of(node, 4), graph.tensors[node.output]
    quantised(node.name, x, y)
    quantised(node.name, state)
    rank = node.options["rank"]
    batch, channels = x.shape if len(x.shape) == 2 else (0, 0)
    filters, memory = time.shape if len(time.shape) == 2 else (0, 0)
    if (
        (features.dtype, time.dtype, state.dtype, x.dtype) != ("int8", "int16", "int16", "int8")
        or features.shape != (filters, channels)
        or rank < 1
        or filters % rank
        or y.shape != (batch, filters // rank)
        or int(np.prod(state.shape)) != batch * filters * memory
        or node.options["activation"] != "RELU"
    ):
        raise UserError(
            f"{node.name} must have int8 features, int16 times, an int16 state that fit, and RELU; export it again"
        )
    bias = np.zeros(filters // rank, np.int64)
    if node.inputs[3] != ABSENT:
        bias = graph.input_of(node, 3).constant().astype(np.int64)
        if bias.shape != (filters // rank,):
            raise UserError(f"{node.name} must have {filters // rank} biases, not {bias.shape}; the file is damaged")
    for tensor in (features, time):
        tensor.per_tensor()
    into = multiplier(float(x.scale[0]) * float(features.scale[0]) / float(state.scale[0]))
    out = multiplier(float(state.scale[0]) * float(time.scale[0]) / float(y.scale[0]))
    w, taps = features.constant().T, time.constant().astype(np.int64)

    def run(v: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, ...]:
        old = before.reshape(len(v), batch, filters, memory)
        new = np.clip(multiply(exact(v.astype(np.int16) - x.z, w), *into, VARIANT), *SHORT)
        kept = np.concatenate([old[..., 1:], new[..., None].astype(np.int16)], axis=3)
        sums = (kept * taps).sum(axis=3).reshape(len(v), batch, filters // rank, rank).sum(axis=3) + bias
        codes = np.clip(multiply(sums, *out, VARIANT) + y.z, -128, 127)
        return codes.astype(np.int8), kept.reshape(len(v), *state.shape)

    layer = Layer.gemm(y.name, batch, channels + memory, filters)
    return HostProduct(several(run, [x, state], [y, graph.tensors[node.more_outputs[0]]]), layer)
