# SPDX-License-Identifier: Apache-2.0
"""The reference interpreter: every tensor of a .tflite model from its reference kernels, input by input."""

import numpy as np
import pytest


def reference_outputs(
    content: bytes, inputs: list[list[np.ndarray]], kernels: str = "BUILTIN_REF"
) -> list[list[np.ndarray]]:
    """Run the interpreter on several inputs, one after the other: each a list of arrays, to a list of outputs."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    interpreter = litert.Interpreter(
        model_content=content, experimental_op_resolver_type=getattr(litert.OpResolverType, kernels)
    )
    interpreter.allocate_tensors()
    entrances, exits = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for values in inputs:
        for entrance, value in zip(entrances, values, strict=True):
            interpreter.set_tensor(entrance["index"], value)
        interpreter.invoke()
        found.append([interpreter.get_tensor(exit_["index"]) for exit_ in exits])
    return found


def reference(content: bytes, inputs: np.ndarray, tensors: list[int]) -> dict[int, np.ndarray]:
    """Run the interpreter (skips where it is not installed).

    Parameters
    ----------
    content : bytes
        The model file.
    inputs : array [B, ...]
    tensors : list of int
        The tensors to return.

    Returns
    -------
    dict of tensor index to array [B, ...]
    """
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="ai-edge-litert is not installed")
    interpreter = litert.Interpreter(
        model_content=content,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    interpreter.allocate_tensors()
    entrance = interpreter.get_input_details()[0]["index"]
    found = {tensor: [] for tensor in tensors}
    for one in inputs:
        interpreter.set_tensor(entrance, one[None])
        interpreter.invoke()
        for tensor in tensors:
            found[tensor].append(interpreter.get_tensor(tensor)[0])
    return {tensor: np.stack(values) for tensor, values in found.items()}
