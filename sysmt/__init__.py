# SPDX-License-Identifier: Apache-2.0
"""Generator of sparse, multithreaded DNN accelerators: Verilog, golden models, simulation, synthesis, boards.

Everything in `__all__` is loaded when it is first used: `import sysmt` itself costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sysmt.api import (
        Simulation,
        compile_model,
        cycles,
        estimate,
        explore,
        generate,
        infer,
        matmul,
        presets,
        run_program,
        schedule,
        simulate,
        synthesise,
        train,
    )
    from sysmt.base.errors import UserError
    from sysmt.boards.driver import Board
    from sysmt.boards.network import EngineBoard
    from sysmt.hdl.params.accel import AccelConfig
    from sysmt.hdl.params.array import ArrayConfig
    from sysmt.hdl.params.cache import CacheConfig, TCAMConfig
    from sysmt.hdl.params.engine import EngineConfig
    from sysmt.hdl.params.pe import PEConfig
    from sysmt.hdl.params.presets import preset
    from sysmt.sim.engine.file import read_program, write_program
    from sysmt.sim.nn.model import read_model

__all__ = [
    "AccelConfig",
    "ArrayConfig",
    "Board",
    "CacheConfig",
    "EngineBoard",
    "EngineConfig",
    "PEConfig",
    "Simulation",
    "TCAMConfig",
    "UserError",
    "compile_model",
    "cycles",
    "estimate",
    "explore",
    "generate",
    "infer",
    "matmul",
    "preset",
    "presets",
    "read_model",
    "read_program",
    "run_program",
    "schedule",
    "simulate",
    "synthesise",
    "train",
    "write_program",
]

_ELSEWHERE = {
    "AccelConfig": "sysmt.hdl.params.accel",
    "ArrayConfig": "sysmt.hdl.params.array",
    "Board": "sysmt.boards.driver",
    "CacheConfig": "sysmt.hdl.params.cache",
    "EngineBoard": "sysmt.boards.network",
    "EngineConfig": "sysmt.hdl.params.engine",
    "PEConfig": "sysmt.hdl.params.pe",
    "TCAMConfig": "sysmt.hdl.params.cache",
    "UserError": "sysmt.base.errors",
    "preset": "sysmt.hdl.params.presets",
    "read_model": "sysmt.sim.nn.model",
    "read_program": "sysmt.sim.engine.file",
    "write_program": "sysmt.sim.engine.file",
}
"""Where a public name is defined, if not in `sysmt.api`."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("sysmt")
    if name not in __all__:
        raise AttributeError(f"module 'sysmt' has no attribute {name!r}")
    return getattr(import_module(_ELSEWHERE.get(name, "sysmt.api")), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
