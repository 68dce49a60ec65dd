# SPDX-License-Identifier: Apache-2.0
"""Networks trained for the array."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sysmt.base.arguments import checked
from sysmt.base.errors import UserError
from sysmt.base.extras import named

if TYPE_CHECKING:
    from sysmt.sim.train.recipe import Recipe
    from sysmt.sim.train.run import Trained


@named()
@checked
def train(
    recipe: "Recipe | str",
    folder: str | Path | None = None,
    *,
    data: str | Path | None = None,
    test: str | Path | None = None,
    limit: int | None = None,
    start: str | Path | None = None,
    device: str = "auto",
    **changes: Any,
) -> "Trained":
    """Train a network with the array in its forward pass, or finish its training. Needs the extra `train`.

    Parameters
    ----------
    recipe : Recipe or str
        How to train; a string names one of "resnet8", "dscnn" and "digits".
    folder : path, optional
        For checkpoints, model.tflite, model.onnx and report.json.
    data, test : path, optional
        .npz files with inputs and labels to train and to test with; by default the recipe's own.
    limit : int, optional
        Only the first so many training inputs.
    start : path, optional
        Folder of a training with the same first phase: this one takes it from there.
    device : "auto", "cpu" or "cuda"
        `auto`: a GPU where there is one.
    changes
        Fields of the recipe, in place of its own: `threads`, `policy`, `prune`, `kure`, `epochs`, ...

    Returns
    -------
    Trained
        Its `report` has the accuracies, its `graph` the network in int8.

    Raises
    ------
    UserError
        A name is unknown, a value out of range, data or checkpoint cannot be used.

    Examples
    --------
    >>> import sysmt
    >>> trained = sysmt.train("digits", epochs=1, array_epochs=1, limit=64, policy="S+A")
    >>> sorted(trained.files())
    ['model.onnx', 'model.tflite', 'report.json']
    """
    from sysmt.base.choice import choose, must_be_one_of
    from sysmt.sim.train.recipe import RECIPES, Recipe
    from sysmt.sim.train.run import train as run

    chosen = recipe if isinstance(recipe, Recipe) else choose("recipe", recipe, RECIPES)
    known = [field.name for field in dataclasses.fields(Recipe)]
    for name in changes:
        if name not in known:
            raise UserError(must_be_one_of("field of the recipe", name, known))
    places = [None if path is None else Path(path) for path in (folder, data, test, start)]
    return run(
        dataclasses.replace(chosen, **changes),
        places[0],
        data=(places[1], places[2]),
        limit=limit,
        start=places[3],
        device=device,
    )
