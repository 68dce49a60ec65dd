# SPDX-License-Identifier: Apache-2.0
"""Accuracy by the golden model. It depends on the PEs and on the plan, not on the size of the array.

So every PE runs a model once, with the plan that `sysmt infer` makes for a 16x16 array of it; the cycles of that plan
are then counted on arrays of every size.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.cost.batch import Planned
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.model import read_model
from sysmt.sim.quant.infer import infer, lost
from sysmt.sim.quant.options import Options

from .keys import file_key, key_of, sources_key

PLANNED_ON = 16
"""Rows and columns of the array that plans are made for: it says what a layer's cycles are worth to each other."""
SOURCES = ("sysmt.sim.golden", "sysmt.sim.nn", "sysmt.sim.quant", "sysmt.sim.cost", "sysmt.hdl.params")


@dataclass(frozen=True)
class Judged:
    """What accuracy is measured on.

    Parameters
    ----------
    model : str
        A model that can run.
    inputs : str
        The .npz file of the inputs, with labels or without.
    calibration : str, optional
        Inputs to make plans from; never the tested.
    budget : float, optional
        Most to lose, as a fraction of 1. With `calibration` layers slow down until it is kept.
    limit : int, optional
        Only the first inputs.
    """

    model: str
    inputs: str
    calibration: str | None = None
    budget: float | None = None
    limit: int | None = None

    @property
    def key(self) -> str:
        """The key of all that the result depends on, but the PE."""
        files = [
            file_key(name) for name in (self.model, self.inputs, *([self.calibration] if self.calibration else []))
        ]
        return key_of(files, self.budget if self.calibration else None, self.limit, sources_key(*SOURCES))


def plain(pe: PEConfig) -> PEConfig:
    """The PE without what changes no result: equal ones have the same accuracy."""
    return pe.with_fields(pipeline=0, target="asic", dsp=False, clock_gating=False)


def read(judged: Judged) -> tuple[Layer, ...]:
    """The layers of the optimised model on the array; a model that cannot be judged on the inputs is refused."""
    model = read_model(judged.model).optimised()
    if not model.network.linears:
        raise UserError(f"model {judged.model!r} must have a layer that runs on the array, not none")
    load(Path(judged.inputs), model.network, judged.limit)
    if judged.calibration:
        load(Path(judged.calibration), model.network)
    return tuple(linear.layer for linear in model.network.linears)


def judge(judged: Judged, pe: PEConfig) -> dict[str, Any]:
    """Run the model on the golden model of a PE.

    Returns
    -------
    dict
        `loss`, what the budget is compared with; `top1` and `top1_exact`, None without labels; `agree`; `judged_by`;
        `plan`, slots and threads of every layer, None of a depthwise one, which runs as is fastest.
    """
    model = read_model(judged.model).optimised()
    inputs = load(Path(judged.inputs), model.network, judged.limit)
    calibration = load(Path(judged.calibration), model.network) if judged.calibration else None
    options = Options(budget=judged.budget if calibration is not None else None)
    array = ArrayConfig(rows=PLANNED_ON, cols=PLANNED_ON, pe=pe)
    found = infer(model, inputs, array, options, calibration=calibration, attribution=False)
    plan = [
        None if linear.depthwise else [layer.slots(len(linear.weights)), layer.threads]
        for linear, layer in zip(model.network.linears, found.plan, strict=True)
    ]
    kept = {name: found.report[name] for name in ("top1", "top1_exact", "agree", "judged_by")}
    return {"loss": lost(found.report), **kept, "plan": plan}


def planned(plan: list[list[int] | None]) -> tuple[Planned | None, ...]:
    """The plan of a result of `judge`, as cycles are counted with it."""
    return tuple(None if layer is None else Planned(*layer) for layer in plan)
