# SPDX-License-Identifier: Apache-2.0
"""What every policy and thread count does to the digits network: accuracy, utilisation and reduced products."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.pe import THREADS
from sysmt.hdl.params.policy import POLICIES
from sysmt.sim.golden.product import Counters
from sysmt.sim.nn.digits.data import Images
from sysmt.sim.nn.digits.network import load
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import LayerTrace, Runner, threaded, threaded_plan
from sysmt.sim.nn.network import Network


@dataclass(frozen=True, kw_only=True)
class PolicyResult:
    """One configuration on a whole set of images. The counters are of the layers that use all threads.

    Parameters
    ----------
    threads, policy, rounding
        The PE, as in `NbSmtConfig`; policy is "" for one thread, where it has no effect.
    accuracy : float
        Share of the images recognised.
    score_error : float
        Root mean square of the scores' deviation from the exact ones, over that of the exact ones.
    utilisation : float
        Share of (PE, step) pairs with work to do: `busy` over all of them. Policies differ in it only through the
        activations that their rounding leaves to the layers behind.
    reduced_share : float
        Share of all products, the padding of K included, computed from an operand squeezed to 4 bits.
    counters : Counters
    """

    threads: int
    policy: str
    rounding: str
    accuracy: float
    score_error: float
    utilisation: float
    reduced_share: float
    counters: Counters

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain numbers and strings, the counters beside the others."""
        fields = asdict(self)
        counters: dict[str, Any] = fields.pop("counters")
        return fields | counters


def sweep(images: Images, rounding: str = "nearest") -> Iterator[PolicyResult]:
    """Yield the result of one thread, then of every policy on two and on four threads.

    Parameters
    ----------
    images : Images
    rounding : "nearest" or "truncate"
    """
    network = load()
    exact = _run(network, NbSmtConfig(), images)
    for threads in THREADS:
        for policy in POLICIES if threads > 1 else ("",):
            pe = NbSmtConfig(threads=threads, policy=policy or "S+A", rounding=rounding)
            scores, traces = _run(network, pe, images) if threads > 1 else exact
            yield _result(images, exact[0], scores, traces, pe, policy)


def _run(network: Network, pe: NbSmtConfig, images: Images) -> tuple[np.ndarray, list[LayerTrace]]:
    """Scores and traces of the threaded layers."""
    runner = Runner(network=network, engine=Golden(pe), plan=threaded_plan(network, pe.threads))
    scores, traces = runner.traced(images.pixels)
    return scores, [trace for trace in traces if threaded(network)[trace.index]]


def _result(
    images: Images, exact: np.ndarray, scores: np.ndarray, traces: list[LayerTrace], pe: NbSmtConfig, policy: str
) -> PolicyResult:
    counters = sum((trace.product.counters for trace in traces), Counters())
    pairs = sum(trace.product.sums.size * pe.steps(trace.x.shape[1]) for trace in traces)
    return PolicyResult(
        threads=pe.threads,
        policy=policy,
        rounding=pe.rounding,
        accuracy=float(np.mean(scores.argmax(axis=1) == images.labels)),
        score_error=float(np.sqrt(np.mean((scores - exact) ** 2.0) / np.mean(exact**2.0))),
        utilisation=counters.busy / pairs,
        reduced_share=counters.reduced / (pairs * pe.threads),
        counters=counters,
    )
