# SPDX-License-Identifier: Apache-2.0
"""One operator of a network as one layer of the engine: its window and the numbers behind it."""

from functools import lru_cache

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.program import Operation
from sysmt.sim.engine.layer import EngineLayer, Image, Product, Rescaling
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.requantize import INT32, multiply
from sysmt.sim.golden.zero_point import column_share
from sysmt.sim.nn.forward import LayerPlan
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.graph import Graph, Node
from sysmt.sim.nn.network import Step
from sysmt.sim.nn.operators.floating import FloatRequantize
from sysmt.sim.nn.operators.linear import AddBias, Linear
from sysmt.sim.nn.operators.reductions import divide, mean_multiplier, pixels_covered, reduced_axes
from sysmt.sim.nn.operators.window import window
from sysmt.sim.nn.scales import LIMITS, VARIANT, clamp, multiplier

from .host import plan_of

UNSIGNED = 128
"""What an int8 value is larger by in activation memory."""
IDENTITY = (2**31 - 1, 0)
"""Multiplier and shift that leave sums of up to 30 bits as they are, rounded twice."""
TAPS = 2**16
"""Most pixels of a pooling window that the engine sums."""


class EngineCannotError(Exception):
    """The engine cannot run an operator; says why."""


def linear_layer(
    step: Step, linear: Linear, plan: LayerPlan, geometry: Geometry, channels: int, config: EngineConfig
) -> EngineLayer:
    """A convolution or fully connected layer."""
    requantize = linear.requantize
    if isinstance(requantize, AddBias):
        raise EngineCannotError("its sums are the scores, which the host computes")
    if isinstance(requantize, FloatRequantize):
        raise EngineCannotError("it requantises in floating point, as ONNX has it")
    if linear.weight_zero:
        raise EngineCannotError(f"its weights have the zero point {linear.weight_zero}")
    weights, bias = plan_of(linear, plan)
    if config.array.pe.zero_width:
        bias = bias + column_share(weights, linear.zero)
    if not INT32.min <= bias.min() <= bias.max() <= INT32.max:
        raise UserError(
            f"layer {step.name!r} must have biases of 32 bits, not {bias.min()} to {bias.max()}; requantise"
        )
    lower = UNSIGNED if linear.dtype == "uint8" else 0
    pe, threads = config.array.pe, _depthwise_threads(step, config) if linear.depthwise else plan.threads
    if pe.steps(threads, threads) > 1:
        raise UserError(
            f"layer {step.name!r} on {threads} of {pe.threads} threads needs two steps for a product, which an engine "
            f"does not take: run it on {pe.threads} threads, or choose PEs that are exact in one (window = 3opt)"
        )
    try:
        golden_of(pe).check_weights(plan.permuted(weights), pe, threads)
    except UserError as error:
        raise UserError(f"layer {step.name!r}: {error}") from None
    product = Product(
        weights=weights,
        depthwise=linear.depthwise,
        threads=threads,
        permutation=None if linear.depthwise else plan.permutation,
    )
    return EngineLayer(
        name=step.name,
        kind=step.kind,
        operation=Operation.MATMUL,
        source=step.inputs[0],
        target=step.output,
        geometry=geometry,
        channels=channels,
        pad_value=linear.zero,
        rescaling=Rescaling(
            bias=bias,
            multiplier=np.asarray(requantize.multiplier, np.int64),
            shift=np.asarray(requantize.shift, np.int64),
            zero_point=requantize.zero_point - lower,
            low=requantize.low - lower,
            high=requantize.high - lower,
            double=requantize.variant == "double",
        ),
        product=product,
    )


def _depthwise_threads(step: Step, config: EngineConfig) -> int:
    """Threads of a depthwise layer: all, where threads with different channels never need the multiplier together."""
    pe = config.array.pe
    if pe.exact_alone:
        return pe.threads
    if not isinstance(pe, NbSmtConfig | SparqConfig):
        raise UserError(f"layer {step.name!r} must run on PEs that are exact alone, not of kind {pe.kind!r}")
    return 1


def pooling(
    step: Step, operation: Operation, geometry: Geometry, channels: int, pad_value: int, rescaling: Rescaling
) -> EngineLayer:
    """A layer without a product, that reads the step's first input."""
    if geometry.taps > TAPS:
        raise EngineCannotError(f"its window has {geometry.taps} pixels, more than {TAPS}")
    return EngineLayer(
        name=step.name,
        kind=step.kind,
        operation=operation,
        source=step.inputs[0],
        target=step.output,
        geometry=geometry,
        channels=channels,
        pad_value=pad_value,
        rescaling=rescaling,
    )


def average(step: Step, graph: Graph, node: Node, image: Image) -> EngineLayer:
    """AVERAGE_POOL_2D whose windows all cover the same number of pixels."""
    geometry = _pool_window(graph, node, image)
    covered = pixels_covered(geometry)
    count = int(covered.flat[0])
    if (covered != count).any():
        raise EngineCannotError("its windows at the edges average over fewer pixels")
    low, high = clamp(node.options["activation"], step.result)
    rescaling = _same(image[2], -UNSIGNED * geometry.taps, reciprocal(count), 0, low, high, double=False)
    return pooling(step, Operation.SUM, geometry, image[2], UNSIGNED, rescaling)


def maximum(step: Step, graph: Graph, node: Node, image: Image) -> EngineLayer:
    """MAX_POOL_2D."""
    low, high = clamp(node.options["activation"], step.result)
    rescaling = _same(image[2], -UNSIGNED, IDENTITY, 0, low, high)
    return pooling(step, Operation.MAX, _pool_window(graph, node, image), image[2], 0, rescaling)


def mean(step: Step, graph: Graph, node: Node, image: Image) -> EngineLayer:
    """MEAN over height, width or both."""
    x = graph.input_of(node, 0)
    rank, axes = len(x.shape), reduced_axes(graph, node)
    _whole(x.shape, image)
    if rank - 1 in axes or rank > 4:
        raise EngineCannotError("it averages over channels")
    kernel = (image[0] if rank == 4 and 1 in axes else 1, image[1] if rank - 2 in axes else 1)
    geometry = Geometry(size=image[:2], kernel=kernel, stride=kernel)
    bias = -geometry.taps * (UNSIGNED + x.z)
    scale = mean_multiplier(x, step.result, geometry.taps)
    rescaling = _same(image[2], bias, scale, step.result.z, *LIMITS["int8"])
    return pooling(step, Operation.SUM, geometry, image[2], UNSIGNED, rescaling)


def pad(step: Step, graph: Graph, node: Node, image: Image) -> EngineLayer:
    """PAD around the image."""
    x = graph.input_of(node, 0)
    _whole(x.shape, image)
    edges = graph.input_of(node, 1).constant().astype(np.int64).tolist()
    if len(edges) != 4 or any(edges[3]):
        raise EngineCannotError("it pads something else than height and width")
    geometry = Geometry(size=image[:2], padding=((edges[1][0], edges[1][1]), (edges[2][0], edges[2][1])))
    rescaling = _same(image[2], -UNSIGNED, IDENTITY, 0, *LIMITS["int8"])
    return pooling(step, Operation.MAX, geometry, image[2], step.result.z + UNSIGNED, rescaling)


def activation(step: Step, graph: Graph, node: Node, image: Image) -> EngineLayer:
    """RELU and its relatives, with their rescaling."""
    x, y = graph.input_of(node, 0), step.result
    scale = multiplier(float(x.scale[0] / y.scale[0]))
    rescaling = _same(image[2], -UNSIGNED - x.z, scale, y.z, *clamp(node.kind, y))
    return pooling(step, Operation.MAX, Geometry(size=image[:2]), image[2], 0, rescaling)


def requantised(step: Step, graph: Graph, node: Node, image: Image) -> EngineLayer:
    """QUANTIZE from int8 to int8."""
    x, y = graph.input_of(node, 0), step.result
    if (x.dtype, y.dtype) != ("int8", "int8"):
        raise EngineCannotError(f"it goes from {x.dtype} to {y.dtype}")
    scale = multiplier(float(x.scale[0]) / float(y.scale[0]))
    rescaling = _same(image[2], -UNSIGNED - x.z, scale, y.z, *LIMITS["int8"])
    return pooling(step, Operation.MAX, Geometry(size=image[:2]), image[2], 0, rescaling)


def identity(name: str, source: int, target: int, image: Image) -> EngineLayer:
    """A copy."""
    return EngineLayer(
        name=name,
        kind="copy",
        operation=Operation.MAX,
        source=source,
        target=target,
        geometry=Geometry(size=image[:2]),
        channels=image[2],
        pad_value=0,
        rescaling=_same(image[2], -UNSIGNED, IDENTITY, 0, *LIMITS["int8"]),
    )


@lru_cache(maxsize=256)
def reciprocal(count: int) -> tuple[int, int]:
    """Multiplier and shift that divide the sum of `count` int8 values as average pooling does, rounded once.

    Pooling rounds ties away from zero, the requantiser towards plus infinity: a multiplier a little above 1 / count
    takes negative ties down, too. Every sum there can be is tried.

    Raises
    ------
    EngineCannotError
        Some sum would come out otherwise.
    """
    bits = count.bit_length() - 1
    m, shift = 2 ** (30 + bits) // count + 1, 1 - bits
    for start in range(-128 * count, 127 * count + 1, 2**20):
        sums = np.arange(start, min(start + 2**20, 127 * count + 1), dtype=np.int64)
        if not np.array_equal(multiply(sums, m, shift, "single"), divide(sums, count)):
            raise EngineCannotError(f"no multiplier divides exactly by {count}")
    return m, shift


def _pool_window(graph: Graph, node: Node, image: Image) -> Geometry:
    _whole(graph.input_of(node, 0).shape, image)
    return window(node.name, image[:2], (node.options["filter_h"], node.options["filter_w"]), node.options)


def _whole(shape: tuple[int, ...], image: Image) -> None:
    """Refuse an image that a flattened tensor kept from its source."""
    if shape[-1] != image[2]:
        raise EngineCannotError(f"its input lies in memory as {image}")


def _same(
    channels: int,
    bias: int,
    scale: tuple[int, int],
    zero_point: int,
    low: int,
    high: int,
    *,
    double: bool | None = None,
) -> Rescaling:
    """The same rescaling for every channel; in the kernels' variant unless told otherwise."""
    return Rescaling(
        bias=np.full(channels, bias, np.int64),
        multiplier=np.full(channels, scale[0], np.int64),
        shift=np.full(channels, scale[1], np.int64),
        zero_point=zero_point,
        low=low,
        high=high,
        double=VARIANT == "double" if double is None else double,
    )
