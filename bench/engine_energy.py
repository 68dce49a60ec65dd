# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.engine_energy`: energy of ResNet-8 on an engine in sky130hd, and where it goes.

The engine of `engine_area`, its cells simulated on 64 images of CIFAR-10 at once, a whole inference each: every output
byte equal to the golden engine's, the cycles equal to the model's. Memories by the bits of their accesses, at what
OpenRAM's macro of 4 KB takes (`sysmt.sim.flow.engine_energy`). `share` is of the energy of one inference.
"""

import sys
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.hdl.designs import engine_design
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import engine_config
from sysmt.hdl.params.presets import preset
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.flow import engine_energy
from sysmt.sim.flow.simulate import LANES
from sysmt.sim.flow.synthesis import CLOCK_MHZ, library_of, map_to
from sysmt.sim.nn import inputs
from sysmt.sim.nn.forward import threaded_plan
from sysmt.sim.nn.model import read_model

from . import record
from .area import cell_library
from .command import run
from .engine_area import ARRAY

MODEL, IMAGES = "models/resnet8_cifar10_int8.tflite", "cifar10/test_first500.npz"
LEAKS_AT_MHZ = 50.0
"""What the gates reach, in whole tens: for the leakage alone."""


def measure(array: str = ARRAY) -> list[dict[str, Any]]:
    """Energy of one inference, the mean of 64.

    Parameters
    ----------
    array : str
        Preset of the array.

    Returns
    -------
    list of dict
        `engine`, `cycles`; `uJ` in all, `array uJ`, `around uJ` and `memories uJ`; `ratio` of the cells around the
        array to the array's; `pJ/cycle` of all cells. Then `engine`, `of` ("cells" or "accesses") and `part`, the
        largest first: `uJ` and `share`, what takes less than a hundredth together.
    """
    folder = data_folder() / "data"
    for name in (MODEL, IMAGES):
        if not (folder / name).exists():
            raise UserError(f"{name} is not below {folder}: set SYSMT_DATA to the folder that holds data/{name}")
    config = engine_config(preset(array, ArrayConfig, counters=False))
    network = read_model(folder / MODEL).optimised().network
    program = compile_network(network, threaded_plan(network, config.array.pe.threads), config)
    design = engine_design(config, "engine", linked=False)
    mapped = map_to(design, library_of(cell_library()), CLOCK_MHZ, progress=progress)
    images = inputs.load(folder / IMAGES, network, LANES).values
    found = engine_energy.measure(mapped, design.manifest["ports"], program, images, LEAKS_AT_MHZ, progress)
    around, accesses = sum(found.around.values()), sum(found.accesses.values())
    total = found.array + around + accesses + found.stored
    whole = {
        "engine": array,
        "cycles": found.cycles,
        "uJ": total * 1e6,
        "array uJ": found.array * 1e6,
        "around uJ": around * 1e6,
        "memories uJ": (accesses + found.stored) * 1e6,
        "ratio": around / found.array,
        "pJ/cycle": (found.array + around) / found.cycles * 1e12,
    }
    parts = [("cells", "array", found.array), *(("cells", unit, each) for unit, each in found.around.items())]
    parts += [("accesses", memory, each) for memory, each in found.accesses.items()]
    large = sorted((part for part in parts if part[2] >= total / 100), key=lambda part: -part[2])
    large.append(("both", "smaller ones", accesses + around + found.array - sum(part[2] for part in large)))
    large.append(("leakage", "memories", found.stored))
    return [
        whole,
        *({"engine": array, "of": of, "part": part, "uJ": j * 1e6, "share": j / total} for of, part, j in large),
    ]


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("engine_energy")


def main(argv: list[str] | None = None) -> int:
    """Print the measurement."""
    how = {"default": ARRAY, "metavar": "NAME", "help": f"preset of the array (default {ARRAY})"}
    return run("bench.engine_energy", __doc__.partition("\n")[0], measure, argv, array=how)


if __name__ == "__main__":
    sys.exit(main())
