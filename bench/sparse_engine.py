# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.sparse_engine`: ResNet-8 with 2:4 weights on engines of SPARQ, without and with `stc`.

Cycles of one input by the cycle model, which tests hold equal to the gates, and bytes of the weight memory. The network
is the public one, below SYSMT_DATA; of each group of four weights two are kept, whichever: cycles do not depend on
values, so that this says nothing about accuracy. First and last layers are as they were.
"""

import sys
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.program import Memory
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.nn.forward import LayerPlan, threaded
from sysmt.sim.nn.model import read_model

from . import record
from .command import run

MODEL = "resnet8_cifar10_int8.tflite"
ENGINES: tuple[tuple[str, dict[str, Any]], ...] = tuple(
    (name, {"stc": stc, **more})
    for name in ("engine_sparq_8", "engine_sparq2_8")
    for more in ({}, {"add_lanes": 2})
    for stc in (False, True)
)
"""Preset and fields of every engine."""


def rows() -> list[dict[str, Any]]:
    """A row per engine."""
    path = data_folder() / "data" / "models" / MODEL
    if not path.exists():
        raise UserError(f"model {MODEL} is not in {path.parent}: set SYSMT_DATA to the folder that holds it")
    network, sparse = read_model(path).optimised().network, SparqConfig(stc=True)
    pruned = [golden_of(sparse).with_zeros(linear.weights, sparse) for linear in network.linears]
    found = []
    for name, fields in ENGINES:
        around = {field: value for field, value in fields.items() if field != "stc"}
        config = preset(name, EngineConfig, **around, array={"stc": fields["stc"]})
        threads = config.array.pe.threads
        plan = tuple(
            LayerPlan(threads=threads, weights=weights) if may else LayerPlan()
            for weights, may in zip(pruned, threaded(network), strict=True)
        )
        program = compile_network(network, plan, config)
        text = " ".join(f"{field}={str(value).lower()}" for field, value in fields.items())
        found.append(
            {
                "engine": name,
                "with": text,
                "cycles": sum(program_cycles(program)),
                "bytes of weights": program.images[Memory.WEIGHTS].nbytes,
            }
        )
    return found


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("sparse_engine")


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.sparse_engine", __doc__.partition("\n")[0], rows, argv)


if __name__ == "__main__":
    sys.exit(main())
