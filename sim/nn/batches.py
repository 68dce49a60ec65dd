# SPDX-License-Identifier: Apache-2.0
"""Runs a network over many inputs: in batches that bound the memory, on all cores, with word of the progress."""

from collections.abc import Callable
from math import prod
from threading import Lock

import numpy as np

from sysmt.sim.golden.parallel import for_each

from .forward import LayerTrace, Observer, Runner
from .network import Network

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
    tensors = (8 * prod(step.result.shape) for step in network.steps)
    return max((*tensors, *(linear.rows * linear.operands for linear in network.linears)), default=1)


def run(
    runner: Runner, inputs: np.ndarray, observe: Observer | None = None, progress: Progress | None = None
) -> np.ndarray:
    """The network's outputs for any number of inputs.

    Parameters
    ----------
    runner : Runner
    inputs : array [B, ...]
    observe : function of LayerTrace, optional
        Called for every layer of every batch, one at a time.
    progress : Progress, optional

    Returns
    -------
    array [B, ...]
    """
    size = batch_size(runner.network)
    outputs = np.empty((len(inputs), *runner.network.output.shape[1:]), runner.network.output.dtype)
    lock, done = Lock(), 0

    def one_at_a_time(trace: LayerTrace) -> None:
        with lock:
            if observe is not None:
                observe(trace)

    def batch(part: slice) -> None:
        nonlocal done
        outputs[part] = runner(inputs[part], one_at_a_time if observe is not None else None)
        with lock:
            done += len(inputs[part])
            if progress is not None:
                progress(done, len(inputs))

    for_each(batch, [slice(start, start + size) for start in range(0, len(inputs), size)])
    return outputs


def observe_in_order(runner: Runner, inputs: np.ndarray, observe: Observer) -> None:
    """Show an observer every layer of every batch, the batches in their order: what it makes of them is repeatable."""
    size = batch_size(runner.network)
    for start in range(0, len(inputs), size):
        runner(inputs[start : start + size], observe)
