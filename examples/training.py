# SPDX-License-Identifier: Apache-2.0
"""A network trained with four threads in its forward pass, and what the array makes of it: the digits, in a minute.

    pip install 'sysmt[train,demo]'
    python examples/training.py

To train a network of yours, add its blocks to `sim/train/architecture.py`; one trained elsewhere comes in as an int8
.tflite file (`examples/int8_model.py`).
"""

from pathlib import Path

import numpy as np

import sysmt
from sysmt.sim.nn.digits.data import load

FOLDER = Path(__file__).resolve().parent.parent / "build" / "examples" / "training"


def main() -> None:
    """Train, with 40 % of the weights pruned, and run what comes out on an array of four threads."""
    settings = {"epochs": 8, "array_epochs": 3, "prune": "0.4", "threads": 4, "policy": "S+aW"}
    trained = sysmt.train("digits", FOLDER, **settings)
    for measured, top1 in trained.report["accuracy"].items():
        print(f"{measured:20} {top1:6.1%}")

    # The exported model is the trained network to the last bit, threads included.
    test = load()[1]
    inputs = (test.pixels ^ np.uint8(128)).view(np.int8)
    config = sysmt.preset("sysmt4_8", policy="S+aW")
    result = sysmt.infer(FOLDER / "model.tflite", inputs, config)
    answers = result.outputs.argmax(axis=1)
    print(f"sysmt4_8: {np.mean(answers == test.labels):.1%}, {result.report['speedup_threaded']:.2f} times as fast")
    assert np.mean(answers == test.labels) == trained.report["accuracy"]["array"]


if __name__ == "__main__":
    main()
