# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime on one thread: the outputs of a model, with its own fusion of quantised operators."""

import numpy as np
import pytest


def reference(content: bytes, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Run the runtime (skips where it is not installed)."""
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    # Else some int8 tensors become uint8, and operators between both kinds run on real numbers instead.
    options.add_session_config_entry("session.qdqisint8allowed", "1")
    session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)
