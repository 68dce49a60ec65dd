# SPDX-License-Identifier: Apache-2.0
"""Networks on engines: compiled for each, and counted to the cycle; what engines share is counted once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.prepare import prepare
from sysmt.sim.engine.streaming import sdram_bytes
from sysmt.sim.nn.model import Model, read_model

SOURCES = (
    "sysmt.sim.engine",
    "sysmt.sim.quant",
    "sysmt.sim.golden",
    "sysmt.sim.nn",
    "sysmt.sim.cost",
    "sysmt.hdl.params",
)
"""The packages that a network on an engine depends on."""
MEMORIES = (
    "activation_words",
    "weight_words",
    "scatter_words",
    "parameter_words",
    "layers",
    "chunks",
    "stream",
    "slot",
    "slots",
    "divisor",
)
"""Fields that say how much an engine holds, and not how fast it computes what it holds."""


@dataclass(frozen=True)
class EngineTask:
    """A network on some engines.

    Per engine a dictionary: `cycles` of one input, `sdram_bytes` read for it; or `refused`, why it cannot run there.
    """

    model: str
    engines: Sequence[EngineConfig]

    def __call__(self) -> list[dict[str, Any]]:
        """A result per engine."""
        return [on_engine(_model(self.model), engine) for engine in self.engines]


def on_engine(model: Model, config: EngineConfig) -> dict[str, Any]:
    """What one input of a model takes on an engine, on all threads.

    Parameters
    ----------
    model : Model
    config : EngineConfig

    Returns
    -------
    dict
        `cycles`, as `sysmt compile` counts them, and `sdram_bytes`; or `refused`, in one line.
    """
    try:
        program = prepare(model, config)
    except UserError as error:
        return {"refused": str(error)}
    cycles = program_cycles(program, known=_known(core_text(config)))
    return {"cycles": sum(cycles), "sdram_bytes": sum(sdram_bytes(program))}


@lru_cache(maxsize=256)
def _known(_: str) -> dict[str, int]:
    """Cycles of the layers that were counted on an engine, memories apart (`core_text`)."""
    return {}


def core_text(config: EngineConfig) -> str:
    """The engine without `MEMORIES`, as text: layers take the same cycles on equal ones."""
    facts = {name: value for name, value in config.as_dict().items() if name not in MEMORIES}
    facts["array"] = {name: value for name, value in facts["array"].items() if name not in ("dsp", "clock_gating")}
    return json.dumps(facts, sort_keys=True)


@lru_cache(maxsize=8)
def _model(path: str) -> Model:
    return read_model(path)
