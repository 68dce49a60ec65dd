# SPDX-License-Identifier: Apache-2.0
"""Attributes changed answers to layers: those that, made exact again alone, bring the exact answer back."""

from typing import Any

import numpy as np

from sysmt.sim.nn.batches import run
from sysmt.sim.nn.engines import Engine
from sysmt.sim.nn.forward import LayerPlan, Plan, Runner
from sysmt.sim.nn.network import Network

INPUTS = 64
"""Most changed answers that are attributed: each costs a run per layer."""


def attribute(
    network: Network, engine: Engine, plan: Plan, inputs: np.ndarray, exact: np.ndarray, changed: np.ndarray
) -> list[dict[str, Any]]:
    """Attribute changed answers.

    Parameters
    ----------
    network, engine, plan
    inputs : array [B, ...]
    exact : int [B]
        The exact network's answers.
    changed : int [C]
        Inputs whose answer the plan changes; the first `INPUTS` of them are attributed.

    Returns
    -------
    list of dict
        `input`, `exact`, and `layers`: the names of the layers each of which, exact while all others stay as planned,
        gives the exact answer back. None when it takes several together.
    """
    changed = changed[:INPUTS]
    rows: list[dict[str, Any]] = [{"input": int(i), "exact": int(exact[i]), "layers": []} for i in changed]
    for index, how in enumerate(plan):
        if how.threads == 1 or not rows:
            continue
        # Without the correction too: it makes up for what the threads do to the sums.
        repaired = (*plan[:index], LayerPlan(), *plan[index + 1 :])
        outputs = run(Runner(network=network, engine=engine, plan=repaired), inputs[changed])
        answers = outputs.reshape(len(changed), -1).argmax(axis=1)
        for row, answer in zip(rows, answers, strict=True):
            if answer == row["exact"]:
                row["layers"].append(network.linears[index].name)
    return rows
