# SPDX-License-Identifier: Apache-2.0
"""Why an answer changed: which layers, made exact again alone, bring the exact answer back."""

from typing import Any

import numpy as np

from sysmt.sim.nn.batches import run
from sysmt.sim.nn.engines import Engine
from sysmt.sim.nn.forward import LayerPlan, Plan, Runner
from sysmt.sim.nn.network import Network

INPUTS = 64
"""Most changed answers that are looked into: each costs a run per layer."""


def reasons(
    network: Network, engine: Engine, plan: Plan, inputs: np.ndarray, exact: np.ndarray, changed: np.ndarray
) -> list[dict[str, Any]]:
    """Look into changed answers.

    Parameters
    ----------
    network, engine, plan
    inputs : array [B, ...]
    exact : int [B]
        The exact network's answers.
    changed : int [C]
        Inputs whose answer the plan changes; the first `INPUTS` of them are looked into.

    Returns
    -------
    list of dict
        `input`, `exact`, and `layers`: the names of the layers each of which, exact while all others stay as planned,
        gives the exact answer back. None when it takes several together.
    """
    changed = changed[:INPUTS]
    found = [{"input": int(i), "exact": int(exact[i]), "layers": []} for i in changed]
    for index, how in enumerate(plan):
        if how.threads == 1 or not found:
            continue
        # Without the correction too: it makes up for what the threads do to the sums.
        repaired = (*plan[:index], LayerPlan(), *plan[index + 1 :])
        outputs = run(Runner(network=network, engine=engine, plan=repaired), inputs[changed])
        answers = outputs.reshape(len(changed), -1).argmax(axis=1)
        for reason, answer in zip(found, answers, strict=True):
            if answer == reason["exact"]:
                reason["layers"].append(network.layers[index].name)
    return found
