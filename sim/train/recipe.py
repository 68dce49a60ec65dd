# SPDX-License-Identifier: Apache-2.0
"""How a network is trained: everything that the result depends on, beside the data."""

from dataclasses import asdict, dataclass
from typing import Any

from sysmt.base.arguments import check_fields
from sysmt.base.choice import choose
from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.pe import DEFAULT_KIND, PEConfig

from .architecture import ARCHITECTURES, Architecture
from .pruning import Pattern
from .quantised import Mode

STATISTICS = ("batch", "running")
"""What the second phase may normalise by."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained, in two phases: in real numbers, then as the array computes.

    Parameters
    ----------
    network : str
        One of `ARCHITECTURES`.
    epochs, array_epochs : int
        Passes over the training inputs in either phase. Without the second phase the network is exported as it is on
        one thread, for `sysmt infer --recalibrate` to adapt.
    array_inputs : int
        Training inputs, drawn anew, of a pass of the second phase, which is slow on a processor; 0: all.
    rate, array_rate : float
        Learning rate at the beginning of each phase; it falls to 0 along a cosine.
    momentum, decay : float
        Of stochastic gradient descent: Nesterov's momentum, weight decay.
    batch : int
        Inputs of a step.
    distil : float
        Share in the second phase's loss of what the network said at the end of the first (`sysmt.sim.train.distil`).
    statistics : "batch" or "running"
        What the second phase normalises by: the statistics of each batch, or those of the exported network, taken again
        from training inputs before every epoch.
    kure : float
        Weight of the penalty on kurtosis in the loss, in both phases (`sysmt.sim.train.regularise`).
    prune : str
        What is pruned between the phases: a share such as 0.4, or N:M (`sysmt.sim.train.pruning`).
    kind, policy : str
        The PE that the second phase computes on, as in `PEConfig`.
    threads : 1, 2 or 4
        Of all layers but the first, the last and depthwise ones.
    clipped : float
        Share of the activations beyond their range (`sysmt.sim.train.calibration`).
    seed : int
        Of the initial weights, the order of the inputs and their augmentation.

    Raises
    ------
    UserError
        A number is out of its range, or a name unknown.
    """

    network: str
    epochs: int
    array_epochs: int
    array_inputs: int = 0
    rate: float = 0.1
    array_rate: float = 0.02
    momentum: float = 0.9
    decay: float = 5e-4
    batch: int = 128
    distil: float = 0.0
    statistics: str = "batch"
    kure: float = 0.0
    prune: str = "0"
    kind: str = DEFAULT_KIND
    policy: str = "S+aW"
    threads: int = 4
    clipped: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        choose("network", self.network, ARCHITECTURES)
        for name, least in (("epochs", 0), ("array_epochs", 0), ("array_inputs", 0), ("batch", 2), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise UserError(f"{name} must be a whole number from {least}, not {value!r}")
        if self.statistics not in STATISTICS:
            raise UserError(f"statistics must be one of {', '.join(STATISTICS)}, not {self.statistics!r}")
        limits = {"rate": 10, "array_rate": 10, "momentum": 1, "decay": 1, "kure": 1000, "clipped": 0.5}
        for name, most in limits.items():
            value = getattr(self, name)
            if not 0 <= value < most:
                raise UserError(f"{name} must be from 0 to below {most}, not {value!r}")
        if not 0 <= self.distil <= 1:
            raise UserError(f"distil must be from 0 to 1, not {self.distil!r}")
        Pattern.parse(self.prune)
        assert self.pe.threads == self.threads  # refuses what no PE is

    @property
    def architecture(self) -> Architecture:
        """The network."""
        return ARCHITECTURES[self.network]

    @property
    def pe(self) -> PEConfig:
        """The PE of the second phase."""
        if self.kind == DEFAULT_KIND:
            return NbSmtConfig(threads=self.threads, policy=self.policy)
        return PEConfig(kind=self.kind, threads=self.threads)

    @property
    def mode(self) -> Mode:
        """How the second phase computes."""
        return Mode(pe=self.pe, threads=self.threads)

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain numbers and strings."""
        return asdict(self)

    def first_phase(self) -> dict[str, Any]:
        """Those that the first phase depends on."""
        return {name: value for name, value in asdict(self).items() if name not in SECOND_PHASE}


SECOND_PHASE = (
    *("array_epochs", "array_inputs", "array_rate", "distil", "statistics"),
    *("prune", "kind", "policy", "threads", "clipped"),
)
"""Fields that the first phase does not depend on."""

RECIPES = {
    "resnet8": Recipe(network="resnet8", epochs=70, array_epochs=0, array_rate=0.01, kure=0.2),
    "dscnn": Recipe(network="dscnn", epochs=100, array_epochs=30, rate=0.05, array_rate=0.01, batch=32, kure=0.1),
    "digits": Recipe(network="digits", epochs=30, array_epochs=10, rate=0.05, array_rate=0.01, batch=32, kure=0.1),
}
"""The recipes by their names."""
