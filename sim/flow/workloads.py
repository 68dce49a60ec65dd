# SPDX-License-Identifier: Apache-2.0
"""Operands that energy is measured on: layers of networks, or random ones of a given sparsity."""

from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.nn.digits import data as digits_data
from sysmt.sim.nn.digits.network import forward as digits_forward
from sysmt.sim.nn.digits.network import golden as digits_golden
from sysmt.sim.nn.digits.network import load as digits_load

from .streams import Job

WORKLOADS = ("resnet8", "digits", "random:SPARSITY")
IMAGES = 4
"""Images whose layers are lowered: enough tiles for all streams."""
RANDOM = (256, 288, 64)
"""M, K and N of random operands."""


def jobs(name: str) -> list[Job]:
    """The products of a workload.

    Parameters
    ----------
    name : str
        `resnet8`: of ResNet-8 (int8, CIFAR-10; needs reference data) the largest layer of each width, as NB-SMT would
        take them; `digits`: the threaded layers of the repository's own network; `random:0.5`: half of the activations
        zero, the others and the weights uniform. Activations are those of exact runs.
    """
    if name == "digits":
        layers = digits_load()
        run = digits_forward(layers, digits_data.load()[1].pixels[:64], digits_golden(PEConfig()))
        threaded = [record for record in run.records if record.layer.shape.threads is None]
        return [Job(record.layer.shape.name, record.x, record.layer.weights) for record in threaded]
    if name == "resnet8":
        return _resnet8(data_folder() / "data")
    kind, _, share = name.partition(":")
    try:
        sparsity = float(share)
    except ValueError:
        sparsity = -1.0
    if kind != "random" or not 0 <= sparsity <= 1:
        raise UserError(f"workload must be one of {', '.join(WORKLOADS)} (0 to 1), not {name!r}")
    random = np.random.default_rng(1)
    m, k, n = RANDOM
    x = random.integers(1, 256, (m, k), np.uint8) * (random.random((m, k)) >= sparsity)
    return [Job(name, x.astype(np.uint8), random.integers(-128, 128, (k, n), np.int8))]


def available(name: str) -> bool:
    """Whether the operands are at hand."""
    return name != "resnet8" or all(path.exists() for path in _resnet8_files(data_folder() / "data"))


def _resnet8_files(folder: Path) -> tuple[Path, Path]:
    return folder / "models" / "resnet8_cifar10_int8.tflite", folder / "cifar10" / "test_first500.npz"


def _resnet8(folder: Path) -> list[Job]:
    # The reader of .tflite files takes a while to load.
    from sysmt.sim.nn import inputs
    from sysmt.sim.nn.engines import Golden
    from sysmt.sim.nn.forward import Runner, Seen, exact_plan
    from sysmt.sim.nn.network import build
    from sysmt.sim.nn.readers.tflite import read
    from sysmt.sim.quant.layer_stats import covered

    for path in _resnet8_files(folder):
        if not path.exists():
            raise UserError(
                f"workload resnet8 needs {path.name}, which is not below {folder}: set SYSMT_DATA, or choose digits"
            )
    model, images = _resnet8_files(folder)
    network = build(read(model))
    taken = covered(network)
    largest: dict[int, Job] = {}

    def observe(seen: Seen) -> None:
        k, n = seen.w.shape
        known = largest.get(n)
        if taken[seen.index] and (known is None or known.w.size * len(known.x) < seen.w.size * len(seen.x)):
            largest[n] = Job(f"conv {k}x{n}", seen.x.copy(), seen.w.copy())

    runner = Runner(network=network, engine=Golden(PEConfig()), plan=exact_plan(network))
    runner(inputs.load(images, network, IMAGES).values, observe)
    return [largest[n] for n in sorted(largest)]
