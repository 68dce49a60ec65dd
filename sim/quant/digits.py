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
from sysmt.sim.nn.digits.network import Layer, Run, forward, golden, load


@dataclass(frozen=True, kw_only=True)
class Outcome:
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
        return fields | fields.pop("counters")


def sweep(images: Images, rounding: str = "nearest", layers: tuple[Layer, ...] | None = None) -> Iterator[Outcome]:
    """Yield the outcome of one thread, then of every policy on two and on four threads.

    Parameters
    ----------
    images : Images
    rounding : "nearest" or "truncate"
    layers : tuple of Layer, optional
        The network; the trained one by default.
    """
    layers = load() if layers is None else layers
    exact = forward(layers, images.pixels, golden(NbSmtConfig()))
    for threads in THREADS:
        for policy in POLICIES if threads > 1 else ("",):
            pe = NbSmtConfig(threads=threads, policy=policy or "S+A", rounding=rounding)
            run = forward(layers, images.pixels, golden(pe)) if threads > 1 else exact
            yield outcome(run, exact, images, pe, policy)


def outcome(run: Run, exact: Run, images: Images, pe: NbSmtConfig, policy: str | None = None) -> Outcome:
    """Summarise one run of the network, from the model or from gates, beside the exact run on the same images."""
    threaded = [r for r in run.records if r.layer.shape.threads is None]
    counters = sum((r.product.counters for r in threaded), Counters())
    pairs = sum(r.product.sums.size * pe.steps(r.x.shape[1]) for r in threaded)
    deviation = run.scores - exact.scores
    return Outcome(
        threads=pe.threads,
        policy=pe.policy if policy is None else policy,
        rounding=pe.rounding,
        accuracy=float(np.mean(run.classes == images.labels)),
        score_error=float(np.sqrt(np.mean(deviation**2.0) / np.mean(exact.scores**2.0))),
        utilisation=counters.busy / pairs,
        reduced_share=counters.reduced / (pairs * pe.threads),
        counters=counters,
    )
