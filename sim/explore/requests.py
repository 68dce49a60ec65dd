# SPDX-License-Identifier: Apache-2.0
"""What is asked: networks, a target, a space, limits; and how it is made of names of models and boards."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.sim.nn.layer import Layer
from sysmt.sim.nn.model import read_model
from sysmt.sim.nn.readers import read_network
from sysmt.sim.nn.sparsity import with_sparsity

from .accuracy import Judged, read
from .designs import ACCELERATOR, ARRAY, ENGINE
from .points import OBJECTIVES
from .silicon import Abstract, InCells, OnBoard, Target
from .space import Space, space_of

Log = Callable[[str], None]


def silent(text: str) -> None:
    """Log nothing."""


@dataclass(frozen=True)
class Workload:
    """A network to run.

    Parameters
    ----------
    name : str
    layers : tuple of Layer
    judged : Judged, optional
        What its accuracy is measured on; without, all its layers run on all threads.
    model : str, optional
        Where it can be read again, to be compiled for engines.
    """

    name: str
    layers: tuple[Layer, ...]
    judged: Judged | None = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked.

    Parameters
    ----------
    workloads : tuple of Workload
    target : Target
    space : Space
    points : int, optional
        So many configurations of the space, spread over it; by default all.
    objective : str
        One of `OBJECTIVES`.
    max_area : float, optional
        In the target's unit.
    budget : float, optional
        Largest loss of accuracy of any workload, as a fraction of 1.
    fill : float, optional
        Largest share of a board's LUTs; by default that of the fullest design which was routed.
    """

    workloads: tuple[Workload, ...]
    target: Target
    space: Space
    points: int | None = None
    objective: str = "latency"
    max_area: float | None = None
    budget: float | None = None
    fill: float | None = None

    @property
    def fullest(self) -> float:
        """The largest share of a board's LUTs that a configuration may take."""
        return self.target.fill if self.fill is None else self.fill

    def __post_init__(self) -> None:
        if not self.workloads:
            raise UserError("networks must be at least one, not none")
        if self.objective not in OBJECTIVES:
            raise UserError(must_be_one_of("objective", self.objective, tuple(OBJECTIVES)))
        if self.max_area is not None and not self.max_area > 0:
            raise UserError(f"max_area must be above 0, not {self.max_area:g}")
        if self.budget is not None and not 0 <= self.budget < 1:
            raise UserError(f"budget must be from 0 to below 100 percent, not {100 * self.budget:g}")
        if self.fill is not None:
            if not isinstance(self.target, OnBoard):
                raise UserError(f"fill {100 * self.fill:g} must come with a board, whose LUTs it limits; add --board B")
            if not 0 < self.fill <= 1:
                raise UserError(f"fill must be above 0 and at most 100 percent, not {100 * self.fill:g}")
        for workload in self.workloads:
            for layer in workload.layers:
                if layer.sparsity[0] < layer.sparsity[1] and not self.space.sparse:
                    n, m = layer.sparsity
                    raise UserError(
                        f"sparsity of layer {layer.name} must be dense, such as 1:1, not {n}:{m}, which no array "
                        "skips; remove it to count dense weights"
                    )


def request_of(
    models: Sequence[str],
    *,
    board: str | None = None,
    liberty: str | None = None,
    engine: bool = False,
    inputs: Sequence[str] = (),
    calibrations: Sequence[str] = (),
    limit: int | None = None,
    settings: Sequence[str] = (),
    sparsity: str | None = None,
    note: Log = silent,
    **options: Any,
) -> Request:
    """What to explore.

    Parameters
    ----------
    models : sequence of str
        As `read_network` takes them.
    board : str, optional
        Name of a board.
    liberty : str, optional
        Name of a cell library, or its file.
    engine : bool
        Engines that run whole networks, each with its memories, in place of arrays or accelerators.
    inputs, calibrations : sequence of str
        Files of inputs of every model, to measure accuracy on and to make plans from; none, or one per model.
    limit : int, optional
        Only so many inputs.
    settings : sequence of str
        As `space_of`.
    sparsity : str, optional
        N:M of weights that only shapes are known of, where the space has PEs that count on it (`stc`).
    note : function of str
        Is told what is left out of a model.
    options
        Of `Request`.

    Raises
    ------
    UserError
        A file cannot be read; arguments do not go together.
    """
    budget = options.get("budget")
    for name, files in (("inputs", inputs), ("calibrate", calibrations)):
        if files and len(files) != len(models):
            raise UserError(f"{name} must be one file per model, {len(models)}, not {len(files)}")
    if budget is not None and not inputs:
        raise UserError(f"budget {100 * budget:g} must come with inputs to measure accuracy on; add --inputs IN.npz")
    if calibrations and budget is None:
        raise UserError("calibrate must come with a budget, for which layers slow down; add --budget PCT")
    if limit is not None and limit < 1:
        raise UserError(f"limit must be at least 1, not {limit}")
    if limit is not None and not inputs:
        raise UserError(f"limit {limit} must come with inputs, of which it takes the first; add --inputs IN.npz")
    if sparsity is not None and (inputs or engine):
        raise UserError(f"sparsity {sparsity} must be left out of models that run: their weights say it")
    if engine and calibrations:
        raise UserError("calibrate must be left out with engines, whose layers all run on all threads here")
    target = _target(board, liberty, engine)
    space = space_of(settings, target.style, bool(inputs), target.design)
    weights = partial(with_sparsity, pe=SparqConfig(stc=space.sparse), text=sparsity)
    workloads = []
    for i, model in enumerate(models):
        name, again = Path(model).stem, str(model) if engine else None
        if inputs:
            judged = Judged(str(model), str(inputs[i]), str(calibrations[i]) if calibrations else None, budget, limit)
            workloads.append(Workload(name, read(judged), judged, again))
        elif engine:
            workloads.append(Workload(name, _compilable(model), model=again))
        else:
            layers = read_network(model, optimise=True, note=note, sparse=space.sparse)
            workloads.append(Workload(name, weights(layers)))
    return Request(
        workloads=tuple(workloads),
        target=target,
        space=space,
        **options,
    )


def _compilable(model: str) -> tuple[Layer, ...]:
    """The layers of a model that can be compiled."""
    return tuple(linear.layer for linear in read_model(model).optimised().network.linears)


def _target(board: str | None, liberty: str | None, engine: bool) -> Target:
    """What configurations are built for."""
    if board is not None and liberty is not None:
        raise UserError(f"board {board!r} must come without liberty {liberty!r}: they are two targets")
    if liberty is not None:
        return InCells.of(liberty, ENGINE if engine else ARRAY)
    if board is None:
        if engine:
            raise UserError("engine must come with a target, for its memories to cost: add --board B or --liberty L")
        return Abstract()
    from sysmt.boards.definitions import board as board_of  # needs the extra `boards`

    return OnBoard(board_of(board).name, design=ENGINE if engine else ACCELERATOR)
