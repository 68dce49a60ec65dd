# SPDX-License-Identifier: Apache-2.0
"""Runs a network over many inputs: in batches that bound the memory, on all cores, with word of the progress."""

from collections.abc import Callable, Sequence
from math import prod
from threading import Lock

import numpy as np

from sysmt.sim.golden.parallel import for_each

from .arrays import joined
from .forward import LayerTrace, Observer, Runner
from .network import Network
from .operators.products import HostProduct

BATCH_BYTES = 2**24
"""Bytes of im2col operands that a batch may take; the golden model needs some times as many beside them."""
BATCH_INPUTS = 32

Progress = Callable[[int, int], None]
"""Is told how many inputs are done, and of how many."""


def batch_size(network: Network) -> int:
    """Inputs of one batch, from what the largest layer needs."""
    return max(1, min(BATCH_INPUTS, BATCH_BYTES // largest_operand(network)))


def largest_operand(network: Network) -> int:
    """Bytes of the largest im2col operand of one input, or tensor while it is computed in 64 bits."""
    tensors = (8 * prod(tensor.shape) for step in network.steps for tensor in (step.result, *step.more_results))
    products = [step.operation for step in network.steps if isinstance(step.operation, HostProduct)]
    on_array = (linear.rows * linear.operands for linear in network.linears)
    return max((*tensors, *on_array, *(product.operands for product in products)), default=1)


def pack(network: Network, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """The inputs of a network as one array: the only one itself, of several a structured array [B] of fields.

    Each is [B, ...] as it lies in memory (`sysmt.sim.nn.arrays`).
    """
    if len(inputs) == 1:
        return inputs[0]
    fields = [(f"in{i}", tensor.dtype, joined(tensor.shape)) for i, (_, tensor) in enumerate(network.inputs)]
    packed = np.empty(len(inputs[0]), np.dtype(fields))
    for (name, *_), values in zip(fields, inputs, strict=True):
        packed[name] = values
    return packed


def run(
    runner: Runner, inputs: np.ndarray, observe: Observer | None = None, progress: Progress | None = None
) -> np.ndarray:
    """The network's first output for any number of inputs; see `run_all`."""
    return run_all(runner, inputs, observe, progress)[0]


def run_all(
    runner: Runner, inputs: np.ndarray, observe: Observer | None = None, progress: Progress | None = None
) -> tuple[np.ndarray, ...]:
    """The network's outputs for any number of inputs.

    Parameters
    ----------
    runner : Runner
    inputs : array [B, ...], of a network with several inputs as `pack` gives them
    observe : function of LayerTrace, optional
        Called for every layer of every batch, one at a time.
    progress : Progress, optional

    Returns
    -------
    tuple of array [B, ...]
    """
    network = runner.network
    size = len(inputs) if network.states else batch_size(network)  # states pass from one input to the next
    outputs = tuple(np.empty((len(inputs), *joined(y.shape)), y.dtype) for _, y in network.outputs)
    lock, done = Lock(), 0

    def one_at_a_time(trace: LayerTrace) -> None:
        with lock:
            if observe is not None:
                observe(trace)

    def batch(part: slice) -> None:
        nonlocal done
        found = runner.all_outputs(inputs[part], one_at_a_time if observe is not None else None)
        for output, values in zip(outputs, found, strict=True):
            output[part] = values
        with lock:
            done += len(inputs[part])
            if progress is not None:
                progress(done, len(inputs))

    for_each(batch, [slice(start, start + size) for start in range(0, len(inputs), size)])
    return outputs


def observe_in_order(runner: Runner, inputs: np.ndarray, observe: Observer) -> None:
    """Show an observer every layer of every batch, the batches in their order: what it makes of them is repeatable."""
    size = len(inputs) if runner.network.states else batch_size(runner.network)
    for start in range(0, len(inputs), size):
        runner(inputs[start : start + size], observe)
