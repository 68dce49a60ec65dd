# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.schedule`: published layers, time of the search, sizes of memories, a board's bytes.

The authors' layers on the authors' machines (Yang et al., ASPLOS 2020). Sizes of memories: the best of one and of two
register files and a buffer against Eyeriss', 16x16, OC and IC unrolled.
"""

import sys
import time
from typing import Any

from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.hdl.params.presets import ACCELERATORS
from sysmt.sim.cost.runs.order import chosen_runs, plain_runs
from sysmt.sim.cost.runs.product import AccelProduct, link_bytes
from sysmt.sim.cost.schedule.machine import machine_of
from sysmt.sim.cost.schedule.machines import ArraySize, machine
from sysmt.sim.cost.schedule.nest import Nest, Unrolling
from sysmt.sim.cost.schedule.network import schedule_network
from sysmt.sim.cost.schedule.search import search
from sysmt.sim.cost.schedule.sizing import size_memories
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.readers.topology import read_topology

from . import record
from .command import run

LARGE, SMALL = ((256, 65536), (0.96, 20, 200)), ((32, 65536), (0.12, 20, 200))
LAYERS = {
    "AlexNet conv3, OC and IC": ((3, 3, 13, 13, 384, 256, 1), LARGE, {"OC": 16, "IC": 16}),
    "AlexNet conv3, row stationary": ((3, 3, 13, 13, 384, 256, 1), LARGE, {"FY": 3, "OY": 13, "OC": 4}),
    "GoogLeNet 4c3r, OC and IC": ((1, 1, 14, 14, 128, 512, 1), SMALL, {"OC": 16, "IC": 16}),
    "VGG-16 conv1_2, batch 16": ((3, 3, 224, 224, 64, 64, 16), LARGE, {"OC": 16, "IC": 16}),
}
RUNS = 5
RESNET50 = ("data", "topologies", "scalesim", "conv_nets", "Resnet50.csv")
PUBLISHED_GAIN = {"AlexNet": "4.2 (CNNs, up to)", "LSTM-L": "1.6 (LSTMs)", "MLP-L": "1.8 (MLPs)"}
PRODUCT = (512, 1152, 256)
BOARDS = ("accel_sysmt2_8", "accel_sysmt4_8", "accel_os16")


def layers() -> list[dict[str, Any]]:
    """Energy of the best blocking, and the time to find it."""
    rows = []
    for name, (loops, (capacities, energies), unroll) in LAYERS.items():
        nest, unrolling = Nest(loops), Unrolling.of(unroll)
        where = machine_of(capacities, energies, 0.035, False)
        seconds = []
        for _ in range(RUNS):
            start = time.process_time()
            found = search(nest, where, unrolling)
            seconds.append(time.process_time() - start)
        rows.append({"layer": name, "energy": found.energy, "CPU ms": 1000 * min(seconds)})
    return rows


def networks() -> list[dict[str, Any]]:
    """ResNet-50, where its topology is at hand."""
    path = data_folder().joinpath(*RESNET50)
    if not path.exists():
        progress(f"{path.name} is not at hand: set SYSMT_DATA")
        return []
    found = read_topology(path)
    start = time.process_time()
    energy = schedule_network(found, machine("eyeriss", ArraySize(16, 16))).energy
    return [{"network": "ResNet-50", "layers": len(found), "energy": energy, "CPU s": time.process_time() - start}]


def workloads() -> dict[str, list[Layer]]:
    """Layers whose memories are sized: AlexNet's convolutions, 16 images; an LSTM of 1000 and an MLP, 128 vectors."""

    def convolution(name: str, kernel: int, size: int, channels: int, outputs: int, stride: int = 1) -> Layer:
        image = kernel + (size - 1) * stride
        window = Geometry(size=(image, image), kernel=(kernel, kernel), stride=(stride, stride))
        return Layer(name=name, kind="conv", geometry=window, channels=channels, outputs=outputs, batch=16)

    widths = (784, 1500, 1000, 500, 10)
    return {
        "AlexNet": [
            convolution("conv1", 11, 55, 3, 96, 4),
            convolution("conv2", 5, 27, 48, 256),
            convolution("conv3", 3, 13, 256, 384),
            convolution("conv4", 3, 13, 192, 384),
            convolution("conv5", 3, 13, 192, 256),
        ],
        "LSTM-L": [Layer.gemm("gates", 128, 2000, 4000)],
        "MLP-L": [Layer.gemm(f"fc{i}", 128, k, n) for i, (k, n) in enumerate(zip(widths, widths[1:], strict=False), 1)],
    }


def sizes() -> list[dict[str, Any]]:
    """Gain of the best sizes over Eyeriss' memories."""
    rows = []
    for name, chosen in workloads().items():
        progress(f"sizing the memories of {name}")
        found = size_memories(chosen, machine("eyeriss", ArraySize(16, 16)))
        registers, buffer = found.least()
        rows.append(
            {
                "workload": name,
                "gain": found.gain(),
                "one register file": found.gain(1),
                "best layer": max(found.layer_gains().values()),
                "registers": " + ".join(map(str, registers)),
                "buffer KB": buffer >> 10,
                "published": PUBLISHED_GAIN[name],
            }
        )
    return rows


def products() -> list[dict[str, Any]]:
    """Bytes over the host link of a product, in the driver's order and in the plain one."""
    rows = []
    for name in BOARDS:
        config = ACCELERATORS[name]
        product = AccelProduct(*PRODUCT, config, config.array.pe.threads)
        sent = [link_bytes(product, runs(product)).total for runs in (chosen_runs, plain_runs)]
        what = "x".join(map(str, PRODUCT))
        rows.append(
            {"accelerator": name, "product": what, "bytes": sent[0], "plain": sent[1], "share": sent[0] / sent[1]}
        )
    return rows


def markdown() -> str:
    """The recorded run as tables, one per kind of row."""
    return record.tables("schedule")


def measure() -> dict[str, list[dict[str, Any]]]:
    """All tables, by name."""
    return {"layers": layers(), "networks": networks(), "sizes": sizes(), "products": products()}


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    return run("bench.schedule", __doc__, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
