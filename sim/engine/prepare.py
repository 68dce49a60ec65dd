# SPDX-License-Identifier: Apache-2.0
"""From a model and what its user asks of it to a program: the plan of its threads, and the compiler."""

from dataclasses import replace
from functools import partial

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Plan, threaded_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.model import Model
from sysmt.sim.nn.network import Network
from sysmt.sim.quant.candidates import Log
from sysmt.sim.quant.infer import silent
from sysmt.sim.quant.options import Options
from sysmt.sim.quant.search import Planner

from .compiler import compile_network
from .layer import DoesNotFitError
from .program import Program
from .streaming import compile_streamed


def prepare(
    model: Model,
    config: EngineConfig,
    options: Options | None = None,
    *,
    calibration: Inputs | None = None,
    threads: int | None = None,
    larger: EngineConfig | None = None,
    clock_hz: float | None = None,
    log: Log = silent,
) -> Program:
    """Plan and compile a model.

    Parameters
    ----------
    model : Model
    config : EngineConfig
    options : Options, optional
        As `sysmt.sim.quant.infer.infer` takes them; the plan is the same.
    calibration : Inputs, optional
        Needed for a budget, a speedup, reordering and recalibration.
    threads : int, optional
        Threads of the layers that may run threaded, if fewer than the array has; not with options.
    larger : EngineConfig, optional
        Another engine with the same array, for a network that does not fit into the memories of `config`.
    clock_hz : float, optional
        Of the engine, for times.
    log : function of str
        Is told the progress.

    Raises
    ------
    UserError
        The network does not fit into the engine, has an operator amid it that the engine cannot run, or an option
        lacks what it needs.
    """
    network = model.optimised().network
    array, options = config.array, options or Options()
    if threads is None or threads == array.pe.threads:
        engine = Golden(array.pe, counting=False)
        plan: Plan = Planner(network, engine, array, options, calibration, log).plan()
    else:
        if options != Options():
            raise UserError(
                f"threads = {threads} must be all of the array's {array.pe.threads} to be planned within a budget, "
                "reordered or recalibrated; leave one of them out"
            )
        plan = threaded_plan(network, array.pe.throttle(threads))
    exact = tuple(replace(layer, weights=None, correction=None) for layer in plan)
    compiled = partial(_compiled, network, plan, exact=exact, clock_hz=clock_hz)
    if larger is None:
        return compiled(config)
    try:
        return compiled(config)
    except DoesNotFitError as error:
        log(f"{error}; its weights go into an SDRAM instead")
        return compiled(larger)


def _compiled(
    network: Network, plan: Plan, config: EngineConfig, *, exact: Plan | None, clock_hz: float | None
) -> Program:
    """Compile, with the weights in an SDRAM where the engine has one."""
    compiler = compile_network if config.stream is None else compile_streamed
    return compiler(network, plan, config, exact=exact, clock_hz=clock_hz)
