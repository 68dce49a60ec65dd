# SPDX-License-Identifier: Apache-2.0
"""Operands that energy is measured on: layers of networks, or random ones of a given sparsity."""

from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.nn.digits import data as digits_data
from sysmt.sim.nn.digits.network import load as load_digits
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerTrace, Runner, exact_plan, threaded

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
        network = load_digits()
        runner = Runner(network=network, engine=Golden(PEConfig()), plan=exact_plan(network))
        _, traces = runner.traced(digits_data.load()[1].pixels[:64])
        return [Job(trace.linear.name, trace.x, trace.w) for trace in traces if threaded(network)[trace.index]]
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
    from sysmt.sim.nn.model import read_model

    for path in _resnet8_files(folder):
        if not path.exists():
            raise UserError(
                f"workload resnet8 needs {path.name}, which is not below {folder}: set SYSMT_DATA, or choose digits"
            )
    model, images = _resnet8_files(folder)
    network = read_model(model).network
    may = threaded(network)
    largest: dict[int, Job] = {}

    def observe(trace: LayerTrace) -> None:
        k, n = trace.w.shape
        known = largest.get(n)
        if may[trace.index] and (known is None or known.w.size * len(known.x) < trace.w.size * len(trace.x)):
            largest[n] = Job(f"conv {k}x{n}", trace.x.copy(), trace.w.copy())

    runner = Runner(network=network, engine=Golden(PEConfig()), plan=exact_plan(network))
    runner(inputs.load(images, network, IMAGES).values, observe)
    return [largest[n] for n in sorted(largest)]
