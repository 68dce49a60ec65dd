# SPDX-License-Identifier: Apache-2.0
"""What a testbench has a device do: a product, or a network of two convolutions, with what must come out."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.program import Program
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.zero_point import column_share
from sysmt.sim.nn.forward import LayerPlan
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.network import build

SEED = 1
K = 11
"""Length of the product: on 2 and 4 threads, their parts of it are not equal."""
ZERO = 77
"""Zero point of the product, where PEs take one off."""
SIDE, CHANNELS, KERNEL = 3, 3, 2
"""Height and width, channels, and window, of the network's input."""


@dataclass(frozen=True, eq=False)
class ProductWork:
    """x uint8 [M, K] times w int8 [K, N] on `threads` threads makes `sums` int64 [M, N], without a cut through K.

    With a zero point, where PEs take one off: `sums` are those of the distances from it, as the device makes them. One
    row and one column more than the array has, or, of an array of more than 16 PEs, less than it has.
    """

    x: np.ndarray
    w: np.ndarray
    threads: int
    zero: int
    sums: np.ndarray

    @classmethod
    def of(cls, config: AccelConfig) -> "ProductWork":
        array = config.array
        threads = array.pe.throttles[-1]
        by = 1 if array.rows * array.cols <= 16 else -1
        m, n = max(array.rows + by, 1), max(array.cols + by, 1)
        k = next(k for k in range(K, 0, -1) if array.pe.steps(k, threads) <= config.depth and k <= array.pe.k_max)
        rng = np.random.default_rng(SEED)
        x = rng.integers(0, 256, (m, k), dtype=np.uint8)
        w = golden_of(array.pe).with_zeros(rng.integers(-128, 128, (k, n)).astype(np.int8), array.pe)
        zero = ZERO if array.pe.zero_width else 0
        sums = matmul(x, w, array.pe, threads, False, zero).sums - column_share(w, zero)
        return cls(x, w, threads, zero, sums.astype(np.int64))


@dataclass(frozen=True, eq=False)
class NetworkWork:
    """A compiled network, one input of it as the host packs it, and the words of its output: uint8 [n, bytes]."""

    program: Program
    inputs: np.ndarray
    outputs: np.ndarray

    @classmethod
    def of(cls, config: EngineConfig) -> "NetworkWork":
        """Outputs have as many channels as an activation word, so that the words have nothing else."""
        network = build(_graph(config.word_bytes, config.array.pe))
        threads = _threads(config.array)
        program = compile_network(network, tuple(LayerPlan(threads=threads) for _ in network.linears), config)
        rng = np.random.default_rng(SEED)
        inputs = rng.integers(-128, 128, (1, *network.input.shape[1:])).astype(np.int8)
        memories: list[np.ndarray] = []
        GoldenEngine(program).run(inputs, lambda _, memory: memories.append(memory[0].copy()))
        first = program.output_first(0)
        return cls(program, inputs, memories[-1][first : first + program.output_words])


def _threads(array: ArrayConfig) -> int:
    return array.pe.throttles[-1]


def _graph(channels: int, pe: PEConfig) -> Graph:
    rng = np.random.default_rng(SEED)
    tensors: list[Tensor] = []
    nodes: list[Node] = []

    def tensor(shape: tuple[int, ...], scale: float, zero: int) -> int:
        scales = np.array([scale], np.float32)
        tensors.append(
            Tensor(name=f"t{len(tensors)}", shape=shape, dtype="int8", scale=scales, zero_point=np.array([zero]))
        )
        return len(tensors) - 1

    def constant(data: np.ndarray, *scale: float) -> int:
        name, dtype, scales = f"t{len(tensors)}", str(data.dtype), np.array(scale, np.float32)
        zeros = np.zeros(len(scale), np.int64)
        tensors.append(Tensor(name=name, shape=data.shape, dtype=dtype, scale=scales, zero_point=zeros, data=data))
        return len(tensors) - 1

    def conv(x: int, kernel: int, scale: float) -> int:
        _, height, _, inputs = tensors[x].shape
        values = rng.integers(-127, 128, (channels, kernel, kernel, inputs)).astype(np.int8)
        by_column = golden_of(pe).with_zeros(np.ascontiguousarray(values.reshape(channels, -1).T), pe)
        weights = constant(np.ascontiguousarray(by_column.T).reshape(values.shape), 0.01)
        bias = constant(rng.integers(-500, 500, channels).astype(np.int32))
        side = height - kernel + 1
        y = tensor((1, side, side, channels), scale, -20)
        options = {"activation": "NONE", "padding": "VALID", "stride_h": 1, "stride_w": 1}
        options |= {"dilation_h": 1, "dilation_w": 1}
        nodes.append(Node(index=len(nodes), kind="CONV_2D", inputs=(x, weights, bias), output=y, options=options))
        return y

    first = tensor((1, SIDE, SIDE, CHANNELS), 0.05, 4)
    last = conv(conv(first, KERNEL, 0.15), 1, 0.3)
    return Graph(tensors=tuple(tensors), nodes=tuple(nodes), input=first, output=last)
