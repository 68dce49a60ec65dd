# SPDX-License-Identifier: Apache-2.0
"""The functions of `import sysmt`: each calls one function of a room, which is loaded when it is called.

A configuration is an object, or the name of a preset.
"""

from .engine import compile_model, run_program
from .exploring import explore
from .hardware import Simulation, estimate, generate, presets, simulate, synthesise
from .models import cycles, infer, matmul
from .schedules import schedule
from .training import train

__all__ = [
    "Simulation",
    "compile_model",
    "cycles",
    "estimate",
    "explore",
    "generate",
    "infer",
    "matmul",
    "presets",
    "run_program",
    "schedule",
    "simulate",
    "synthesise",
    "train",
]
