# SPDX-License-Identifier: Apache-2.0
"""An int8 model on threads: what NB-SMT does to its answers and to its cycles.

Without arguments a small perceptron with random weights; with a .tflite file and inputs (.npz with `features`, the
model's own input) yours.

    pip install 'sysmt[infer]'
    python examples/int8_model.py
    python examples/int8_model.py model.tflite inputs.npz
"""

import sys
from pathlib import Path

import numpy as np
from small_tflite import perceptron

import sysmt

FOLDER = Path(__file__).resolve().parent.parent / "build" / "examples"


def own_model() -> tuple[Path, Path]:
    """A model, and inputs for it: half of their values are zero, as behind a ReLU."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    model, inputs = FOLDER / "perceptron.tflite", FOLDER / "inputs.npz"
    model.write_bytes(perceptron([64, 96, 96, 10]))
    rng = np.random.default_rng(3)
    values = np.where(rng.random((64, 64)) < 0.5, rng.integers(-128, 128, (64, 64)), -128)  # -128 stands for 0
    np.savez(inputs, features=values.astype(np.int8))
    return model, inputs


def main() -> None:
    """Run the model exactly, then on arrays of 1, 2 and 4 threads."""
    model_file, inputs_file = map(Path, sys.argv[1:3]) if len(sys.argv) > 2 else own_model()
    model = sysmt.read_model(model_file)
    features = np.load(inputs_file)["features"]
    exact = model.run([features])[0]
    print(f"{len(features)} inputs, layers on the array: {', '.join(layer.name for layer in model.layers)}")

    for name in ("os8", "sysmt2_8", "sysmt4_8"):
        result = sysmt.infer(model, features, config=name)
        same, cycles = result.report["agree"], result.report["cycles"]
        print(f"{name:9}{cycles:7} cycles per input, {same:6.1%} of the answers as those of the exact model")
        if name == "os8":  # one thread is exact, to the last bit
            assert np.array_equal(result.outputs, exact)

    # The last array, layer by layer: the first and the last layer stay on one thread.
    for row in result.report["layers"]:
        print(f"  {row['layer']:6} threads {row['threads']}  reduced products {row['reduced']:7}")


if __name__ == "__main__":
    main()
