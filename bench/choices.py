# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.choices`: on every board the accelerator that runs each network fastest, beside the board's preset.

Of all that `sysmt explore --board` expects to fit, to be routed and to reach the board's clock, with one or two threads
on NB-SMT's default policy, which cost least accuracy. Cycles are those of the array, all layers on all threads; silicon
is predicted, nothing here was placed. MobileNetV1-0.25-96 is of the shape of MLPerf Tiny's visual wake words.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.boards.definitions import BOARDS
from sysmt.cli.output import progress
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.cost import evaluate
from sysmt.sim.cost.silicon import predict
from sysmt.sim.explore.explore import explore
from sysmt.sim.explore.requests import Request, Workload, request_of
from sysmt.sim.explore.store import Store
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers import read_network

from . import record
from .command import run
from .mobilenet import mobilenet_v1

MODELS = {"resnet8": "resnet8_cifar10_int8.tflite", "dscnn": "dscnn_kws_int8.tflite"}
VWW, LARGE = "mobilenet_v1 0.25 96", "mobilenet_v2"
SETTINGS = ("kind=nbsmt", "threads=1,2")


def workloads() -> list[Workload]:
    """The networks; the public models are looked for below SYSMT_DATA."""
    found = []
    for name, file in MODELS.items():
        path = data_folder() / "data" / "models" / file
        if not path.exists():
            raise UserError(f"SYSMT_DATA must name a folder with data/models/{file}, not {str(data_folder())!r}")
        found.append(Workload(name, read_network(str(path), optimise=True)))
    vww = tuple(linear.layer for linear in build(mobilenet_v1(0.25, 96)).linears)
    return [*found, Workload(VWW, vww), Workload(LARGE, read_network(LARGE))]


def measure(boards: tuple[str, ...] = tuple(BOARDS), settings: tuple[str, ...] = SETTINGS) -> list[dict[str, Any]]:
    """A row per board and network."""
    rows, networks = [], workloads()
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder) / "results.sqlite") as store:
        for name in boards:
            progress(f"{name}: {len(networks)} networks")
            asked = request_of([LARGE], board=name, settings=settings)
            for network in networks:
                rows.append({"board": name, **_best(replace(asked, workloads=(network,)), store, name)})
    return rows


def _best(request: Request, store: Store, name: str) -> dict[str, Any]:
    """The fastest accelerator for the network of a request, and what the board's own preset takes."""
    board, (network,) = BOARDS[name], request.workloads
    point, own = explore(request, store).best()[0], board.accelerator()
    usual = evaluate(network.layers, own.array).total / (board.clock_hz / 1e6)
    return {
        "network": network.name,
        "array": _text(point.config),
        "us": point.latency,
        "LUT": point.area,
        "of LUTs %": 100 * point.facts["full"],
        "clock": point.clock_mhz,
        "preset": _text(own.array),
        "preset us": usual,
        "preset LUT": predict(own, board.part.family.name).luts.value,
        "faster": usual / point.latency,
    }


def _text(config: ArrayConfig) -> str:
    parts = [f"{config.rows}x{config.cols}x{config.pe.threads}", config.drain, f"pipeline {config.pe.pipeline}"]
    return " ".join([*parts, "dsp"] if config.pe.dsp else parts)


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("choices")


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    return run("bench.choices", __doc__, measure, argv)


if __name__ == "__main__":
    sys.exit(main())
