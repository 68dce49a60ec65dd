# SPDX-License-Identifier: Apache-2.0
"""Chooses how every layer runs: what shares its steps within a budget of accuracy, permutation of K, corrected biases.

As for four threads in the paper (Shomron and Weiser, MICRO 2020, section 5.3) layers slow down until the accuracy drop
is small enough. All layers are slowed down by one Lagrange multiplier (`sysmt.sim.quant.candidates`), which falls as
long as the plan keeps the budget on the validation set (`sysmt.sim.quant.validation`), or as it is fast enough.
"""

from functools import cached_property
from math import sqrt

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Plan, exact_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.nn.network import Network

from .candidates import Candidates, Log
from .options import Options
from .recalibrate import Recalibrator
from .validation import Validator, split

HALVINGS = 5
"""Times that the range of multipliers is halved, on a logarithmic scale: each costs a validation."""
SPEEDUP_HALVINGS = 8
"""The same for a speedup, which costs no validation: the multiplier is known to 5 %."""
RANGE = 1e-5
"""Smallest multiplier tried, of the largest. After `HALVINGS` the multiplier is known to a factor of
(1 / RANGE) ** (1 / 2**HALVINGS), 1.4."""


class Planner:
    """Makes plans for one network on one array from one set of calibration inputs.

    Parameters
    ----------
    network : Network
    engine : Golden
    config : ArrayConfig
    options : Options
    calibration : Inputs or None
    log : function of str
        Is told the progress.

    Raises
    ------
    UserError
        An option needs calibration inputs, and there are none.
    """

    def __init__(
        self,
        network: Network,
        engine: Golden,
        config: ArrayConfig,
        options: Options,
        calibration: Inputs | None,
        log: Log,
    ) -> None:
        options.check_calibration(calibration is not None)
        self.network, self.engine, self.options, self._log = network, engine, options, log
        self.planning: Inputs | None = None
        self.validation: Inputs | None = None
        if calibration is not None:
            self.planning, self.validation = split(calibration, options.budget)
        inputs = None if self.planning is None else self.planning.values
        self.candidates = Candidates(network, engine, config, options, inputs, self.correct, log)

    def plan(self) -> Plan:
        """The fastest plan found that keeps the budget; all layers exact if none does.

        With a speedup the one of least sensitivity that is as fast.

        Raises
        ------
        UserError
            No plan is as fast.
        """
        if self.options.speedup is not None:
            return self.correct(self._as_fast(self.options.speedup))
        fastest = self.correct(self.candidates.plan())
        if self.options.budget is None or self.candidates.threads == 1 or self.keeps_budget(fastest):
            return fastest
        high = self.candidates.largest_multiplier()
        low, best = RANGE * high, exact_plan(self.network)
        for _ in range(HALVINGS):
            middle = sqrt(low * high)
            plan = self.correct(self.candidates.plan(middle))
            if self.keeps_budget(plan):
                low, best = middle, plan
            else:
                high = middle
        return best

    def _as_fast(self, speedup: float) -> Plan:
        """The plan of the smallest multiplier found that reaches a speedup, not corrected."""
        best = self.candidates.plan()
        fastest = self.candidates.speedup(best)
        if speedup > fastest:
            raise UserError(f"speedup must be at most {fastest:.2f}, what all layers reach together, not {speedup:g}")
        if self.candidates.threads == 1:
            return best
        high = self.candidates.largest_multiplier()
        low = RANGE * high
        for _ in range(SPEEDUP_HALVINGS):
            middle = sqrt(low * high)
            plan = self.candidates.plan(middle)
            reached = self.candidates.speedup(plan)
            self._log(f"multiplier {middle:.3g}: {reached:.2f}x")
            if reached >= speedup:
                high, best = middle, plan
            else:
                low = middle
        return best

    def keeps_budget(self, plan: Plan) -> bool:
        """Whether a plan keeps the budget on the validation set."""
        budget = self.options.budget
        if budget is None:
            return True
        drops = self.validator.drops(plan)
        self._log(f"{self.candidates.speedup(plan):.2f}x on {self.validator.describe()}: {drops.describe()}")
        return drops.keep(budget)

    def correct(self, plan: Plan) -> Plan:
        """The plan with corrected biases and adapted weights, if that is wanted."""
        return self._recalibrator(plan) if self.options.recalibrate else plan

    def reduced_products(self, plan: Plan) -> dict[int, tuple[int, int]]:
        """For layers with a permutation: products reduced in the natural order of K and in the permuted one.

        Counted on calibration inputs that no permutation was made from.
        """
        return {
            index: self.candidates.reorderers[index].validate(layer.permutation)
            for index, layer in enumerate(plan)
            if layer.permutation is not None
        }

    @cached_property
    def validator(self) -> Validator:
        """Of the validation set; only with calibration inputs and a budget."""
        if self.validation is None:
            raise ValueError("validation needs calibration inputs")
        return Validator(self.network, self.engine, self.validation)

    @cached_property
    def _recalibrator(self) -> Recalibrator:
        if self.planning is None:
            raise ValueError("recalibration needs calibration inputs")
        return Recalibrator(self.network, self.engine, self.planning.values, not self.options.keep_weights)
