# SPDX-License-Identifier: Apache-2.0
"""From PyTorch to the array: train, export to ONNX, quantise to int8 (QDQ), and run it on two threads.

    pip install 'sysmt[train,demo,onnx]' onnxruntime
    python examples/pytorch.py

The three steps in the middle are the ones that a network of yours needs.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from torch import nn

import sysmt
from sysmt.sim.nn.digits.data import load

FOLDER = Path(__file__).resolve().parent.parent / "build" / "examples" / "pytorch"


def trained(images: torch.Tensor, labels: torch.Tensor) -> nn.Module:
    """A small classifier, trained in seconds."""
    torch.manual_seed(0)
    size = images.shape[-1]
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * (size // 2) ** 2, 10),
    )
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(8):
        for batch in torch.randperm(len(images)).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
    return model.eval()


class Calibration(CalibrationDataReader):
    """Inputs that the ranges of activations are taken from."""

    def __init__(self, images: np.ndarray) -> None:
        self.images: Iterator[np.ndarray] = iter(images)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """One input, or none."""
        image = next(self.images, None)
        return None if image is None else {"input": image[None]}


def main() -> None:
    """Train, export, quantise, run."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    parts = [(part.pixels.transpose(0, 3, 1, 2).astype(np.float32) / 16, part.labels) for part in load()]
    (images, labels), (tests, answers) = parts
    model = trained(torch.from_numpy(images), torch.from_numpy(labels).long())

    # 1. Export; one input at a time, or an open batch.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            model, torch.from_numpy(images[:1]), FOLDER / "float.onnx", input_names=["input"], dynamo=False
        )
    # 2. Quantise: QDQ, a scale per output channel, int8 weights.
    quantize_static(
        FOLDER / "float.onnx",
        FOLDER / "int8.onnx",
        Calibration(images[:200]),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    # 3. Run it; `sysmt infer int8.onnx inputs.npz --threads 2` does the same.
    np.savez(FOLDER / "inputs.npz", in0=tests, labels=answers)
    with torch.no_grad():
        exact = (model(torch.from_numpy(tests)).argmax(dim=1).numpy() == answers).mean()
    print(f"{'PyTorch, float':20} {exact:6.1%}")
    for preset in ("os8", "sysmt2_8"):
        result = sysmt.infer(FOLDER / "int8.onnx", FOLDER / "inputs.npz", preset)
        top1 = np.mean(result.outputs.argmax(axis=1) == answers)
        print(f"{preset:20} {top1:6.1%}, {result.report['cycles']} cycles per input")


if __name__ == "__main__":
    main()
