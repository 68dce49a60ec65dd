# SPDX-License-Identifier: Apache-2.0
"""What the user asks of NB-SMT on a network."""

from dataclasses import dataclass
from math import inf
from numbers import Integral, Real

from sysmt.base.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a network is prepared for NB-SMT; by default not at all: every layer that may takes all threads.

    Parameters
    ----------
    budget : float, optional
        Largest accuracy drop, as a fraction of 1: layers slow down until it holds.
    speedup : float, optional
        The other way round: how many times as fast as on one thread the layers that NB-SMT may take shall be at least,
        in cycles of one input; what time is left goes where it is worth most accuracy.
    reorder : bool
        Permute K so that fewer products are reduced.
    recalibrate : bool
        Correct the integer biases and adapt the weights.
    keep_weights : bool
        With `recalibrate`: correct the biases only.
    optimise : bool
        Depthwise layers run as is fastest on the array (`sysmt.sim.cost.depthwise`); else channel by channel on one
        thread. It changes no result.
    batch : int
        Inputs that go through a layer together: the array has one latency for all of them. Changes no result, only the
        cycles, which are those of so many inputs.

    Raises
    ------
    UserError
        Budget, speedup or batch is out of range, there are both budget and speedup, or `keep_weights` alone.
    """

    budget: float | None = None
    speedup: float | None = None
    reorder: bool = False
    recalibrate: bool = False
    keep_weights: bool = False
    optimise: bool = True
    batch: int = 1

    def __post_init__(self) -> None:
        if self.budget is not None and (isinstance(self.budget, bool) or not isinstance(self.budget, Real)):
            raise UserError(f"budget must be a number, a fraction of 1, not {self.budget!r}")
        if self.speedup is not None and (isinstance(self.speedup, bool) or not isinstance(self.speedup, Real)):
            raise UserError(f"speedup must be a number, at least 1, not {self.speedup!r}")
        if isinstance(self.batch, bool) or not isinstance(self.batch, Integral):
            raise UserError(f"batch must be an integer of at least 1, not {self.batch!r}")
        if self.budget is not None and not 0 <= self.budget < 1:
            raise UserError(f"budget must be from 0 to below 100 percent, not {100 * self.budget:g}")
        if self.speedup is not None and not 1 <= self.speedup < inf:
            raise UserError(f"speedup must be at least 1, not {self.speedup:g}")
        if self.budget is not None and self.speedup is not None:
            raise UserError(
                f"speedup {self.speedup:g} and budget {100 * self.budget:g} exclude each other; leave one out"
            )
        if self.keep_weights and not self.recalibrate:
            raise UserError("keep_weights must come with recalibrate: otherwise nothing is changed")
        if self.batch < 1:
            raise UserError(f"batch must be at least 1, not {self.batch}")

    def check_calibration(self, available: bool) -> None:
        """Refuse to go without calibration inputs where something is made from them."""
        wanted = {
            "budget": self.budget is not None,
            "speedup": self.speedup is not None,
            "reorder": self.reorder,
            "recalibrate": self.recalibrate,
        }
        for name, is_wanted in wanted.items():
            if is_wanted and not available:
                raise UserError(f"{name} must come with calibration inputs; add --calibrate CALIB.npz")
