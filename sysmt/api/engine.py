# SPDX-License-Identifier: Apache-2.0
"""Whole networks: compile a model into a program of the engine, run it."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sysmt.base.arguments import checked
from sysmt.base.errors import UserError
from sysmt.base.extras import named
from sysmt.hdl.params.presets import DEFAULT_ARRAY

from .configs import config_of, inputs_of

if TYPE_CHECKING:
    from sysmt.hdl.params.engine import EngineConfig
    from sysmt.sim.engine.program import Program
    from sysmt.sim.nn.inputs import Inputs
    from sysmt.sim.nn.model import Model


@named()
@checked
def compile_model(
    model: "Model | str | Path",
    config: "EngineConfig | str" = f"engine_{DEFAULT_ARRAY}",
    *,
    threads: int | None = None,
    budget: float | None = None,
    speedup: float | None = None,
    reorder: bool = False,
    recalibrate: bool = False,
    keep_weights: bool = False,
    calibration: "Inputs | np.ndarray | str | Path | None" = None,
) -> "Program":
    """Compile an int8 model into a program of the engine, which runs it whole.

    Parameters
    ----------
    model : Model, or path
        As `infer`.
    config : EngineConfig or str
        The engine; a string names a preset.
    threads : int, optional
        Threads of the layers that may run threaded, if fewer than the array has; not with the options below.
    budget, speedup, reorder, recalibrate, keep_weights, calibration
        As `infer`; the plan is the same.

    Returns
    -------
    Program
        `sysmt.write_program` leaves it in a file, `sysmt.read_program` reads it back.

    Raises
    ------
    UserError
        As `infer`; or the model does not fit into the engine, or has an operator that the engine cannot run.

    Examples
    --------
    >>> import sysmt
    >>> [layer.name for layer in sysmt.compile_model("digits", "engine_os4").layers]
    ['conv1', 'conv2', 'conv3']
    """
    from sysmt.hdl.params.engine import EngineConfig
    from sysmt.sim.engine.prepare import prepare
    from sysmt.sim.nn.model import Model, read_model
    from sysmt.sim.quant.options import Options

    read = model if isinstance(model, Model) else read_model(model)
    options = Options(
        budget=budget, speedup=speedup, reorder=reorder, recalibrate=recalibrate, keep_weights=keep_weights
    )
    prepared = None if calibration is None else inputs_of(calibration, read)
    return prepare(read, config_of(config, EngineConfig), options, calibration=prepared, threads=threads)


def run_program(
    program: "Program | str | Path", inputs: "Inputs | np.ndarray | str | Path"
) -> "tuple[np.ndarray, dict[str, Any]]":
    """Run a program on the golden engine: the numbers of the gates, to the last bit, and their cycles.

    Parameters
    ----------
    program : Program, or path
        What `compile_model` returns, or a file that holds it.
    inputs : array [B, ...], Inputs, or path
        As `infer`.

    Returns
    -------
    array [B, ...]
        The network's raw outputs.
    dict
        The report: accuracy, cycles of one input, `layers`.

    Raises
    ------
    UserError
        The program is damaged, or inputs do not fit it.

    Examples
    --------
    >>> import numpy as np, sysmt
    >>> program = sysmt.compile_model("digits", "engine_os4")
    >>> outputs, report = sysmt.run_program(program, np.zeros((2, 8, 8, 1), np.uint8))
    >>> outputs.shape, sum(row["cycles"] or 0 for row in report["layers"]) == report["cycles"]
    ((2, 10), True)
    """
    from sysmt.sim.engine.execute import execute
    from sysmt.sim.engine.file import read_program
    from sysmt.sim.engine.program import Program
    from sysmt.sim.nn.inputs import Inputs, load

    read = program if isinstance(program, Program) else read_program(program)
    if isinstance(inputs, (str, Path)):
        inputs = load(Path(inputs), read.ends)
    if not isinstance(inputs, (Inputs, np.ndarray)) or isinstance(inputs, np.ndarray) and not inputs.ndim:
        raise UserError(f"inputs must be an array [B, ...] or the path of a .npz file, not {inputs!r}")
    return execute(read, inputs if isinstance(inputs, Inputs) else Inputs(inputs, None))
