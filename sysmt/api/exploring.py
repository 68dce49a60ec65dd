# SPDX-License-Identifier: Apache-2.0
"""Exploration: which accelerator for which networks."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sysmt.base.arguments import checked
from sysmt.base.errors import UserError
from sysmt.base.extras import named

if TYPE_CHECKING:
    from sysmt.sim.explore.result import Exploration


@named()
@checked
def explore(
    models: "str | Path | Sequence[str | Path]",
    *,
    values: Mapping[str, Sequence[Any]] | None = None,
    board: str | None = None,
    liberty: str | None = None,
    engine: bool = False,
    inputs: Sequence[str | Path] = (),
    calibrations: Sequence[str | Path] = (),
    limit: int | None = None,
    budget: float | None = None,
    max_area: float | None = None,
    fill: float | None = None,
    objective: str = "latency",
    points: int | None = None,
    sparsity: str | None = None,
    store: str | Path | None = None,
    processes: int = 1,
    scheduler: str | None = None,
) -> "Exploration":
    """Count cycles and predict silicon of every configuration of a space, and find those that no other beats.

    Parameters
    ----------
    models : str, path, or several
        As `cycles` takes them; one input of each is run.
    values : mapping of str to values, optional
        Fields of `ArrayConfig`, or of what stands around it (`AccelConfig` on a board, `EngineConfig`), and what they
        may be, in place of the values that are tried by default.
    board : str, optional
        An accelerator on this board. Without it and `liberty` no target: area in PEs, latency in cycles.
    liberty : str, optional
        An array in standard cells: "sky130hd", or a file of such cells.
    engine : bool
        Engines that run whole networks, with their memories, in place of arrays or accelerators.
    inputs, calibrations : paths
        Files (.npz) of inputs of every model, to measure accuracy on, and to slow layers down with.
    limit : int, optional
        Only so many inputs.
    budget : float, optional
        Largest loss of accuracy, as a fraction of 1. Needs `inputs`.
    max_area : float, optional
        In the target's unit.
    fill : float, optional
        Largest share of the board's LUTs. By default that of the fullest design of its family which was routed.
    objective : "latency", "energy", "area" or "throughput/area"
    points : int, optional
        So many configurations, spread over the space; by default all.
    sparsity : str, optional
        N:M of weights that only shapes are known of, for PEs that count on it (`stc`): "2:4", or "1:1" if dense.
    store : path, optional
        The SQLite file of all results: what it holds is not computed again. By default one in the build folder.
    processes : int
        Of this machine. More than 1 start Python anew: call this below `if __name__ == "__main__":`.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers compute. They must find the same files.

    Returns
    -------
    Exploration
        `points`; `front`, numbers of those that no other one beats; `best(n)`; `command(point)`.

    Raises
    ------
    UserError
        A model cannot be read; a value cannot be; no configuration is within the limits.

    Examples
    --------
    >>> import sysmt, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = sysmt.explore("digits", values={"rows": (4, 8), "cols": (4, 8)}, store=f"{folder}/results.sqlite")
    >>> found.command(found.best()[0])
    'sysmt generate os8 --set kind=sparq --set cluster=4 --set threads=8'
    """
    from sysmt.sim.explore.explore import explore as run
    from sysmt.sim.explore.requests import request_of
    from sysmt.sim.explore.store import Store, default_store
    from sysmt.sim.explore.work import workers

    several = [models] if isinstance(models, (str, Path)) else models
    if not isinstance(several, Sequence) or not all(isinstance(model, str | Path) for model in several):
        raise UserError(f"models must be a name, a path or a list of them, not {models!r}")
    for name, chosen in (values or {}).items():
        if not isinstance(chosen, (Sequence, np.ndarray)) or isinstance(chosen, str) or not np.ndim(chosen):
            raise UserError(f"values of {name} must be a list, not {chosen!r}")
    request = request_of(
        [str(model) for model in several],
        board=board,
        liberty=liberty,
        engine=engine,
        inputs=[str(file) for file in inputs],
        calibrations=[str(file) for file in calibrations],
        limit=limit,
        budget=budget,
        max_area=max_area,
        fill=fill,
        objective=objective,
        points=points,
        sparsity=sparsity,
        settings=[f"{name}={','.join(map(_text, chosen))}" for name, chosen in (values or {}).items()],
    )
    path = default_store() if store is None else Path(store)
    with Store(path) as results, workers(processes, scheduler) as doing:
        return run(request, results, doing)


def _text(value: Any) -> str:
    """A value as settings have it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
