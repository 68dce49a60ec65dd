# SPDX-License-Identifier: Apache-2.0
"""Parameters of SPARQ (Shomron et al., NeurIPS 2021): activations trimmed to windows of a few bits, two to a pair."""

from dataclasses import dataclass
from typing import Any, ClassVar

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.checks import one_of
from sysmt.hdl.params.pe import W_WIDTH, X_WIDTH, PEConfig

TRIMS = ("round", "raw")
PAIRS = (1, 2, 4)
GROUP = 4
"""Operands along K of which a pair takes two, where weights are 2:4 sparse."""
KEPT = 2
"""Weights of a group that may be other than zero."""
PLACE_WIDTH = (GROUP - 1).bit_length()
"""Bits of a weight's place in its group."""


@dataclass(frozen=True)
class Window:
    """Some successive bits of an activation, and the places that they may begin at.

    Parameters
    ----------
    bits : int
    shifts : tuple of int
        In rising order. The smallest one is taken that leaves no bit out above the window: a < 2**(shift + bits).
    """

    bits: int
    shifts: tuple[int, ...]

    @property
    def alone(self) -> "Window":
        """The window of an activation that has both lanes of its pair: twice as many bits, any shift."""
        return Window(2 * self.bits, tuple(range(X_WIDTH - 2 * self.bits + 1)))


WINDOWS = {
    "2opt": Window(4, (0, 4)),
    "3opt": Window(4, (0, 2, 4)),
    "5opt": Window(4, (0, 1, 2, 3, 4)),
    "6opt": Window(3, (0, 1, 2, 3, 4, 5)),
    "7opt": Window(2, (0, 1, 2, 3, 4, 5, 6)),
}
"""The modes of the authors' code, by their names there."""


def lane_codes(window: Window) -> list[tuple[int, bool]]:
    """Shift of a lane, and whether its weight is borrowed, by code; 0 is (0, own)."""
    borrowed = [(shift, True) for shift in window.alone.shifts]
    high = {shift + window.bits for shift in window.alone.shifts}
    own = [(shift, False) for shift in sorted({*window.shifts, *high})]
    return [own[0], *borrowed, *own[1:]]


@dataclass(frozen=True, kw_only=True)
class SparqConfig(PEConfig):
    """A PE that multiplies pairs of activations: two trimmed ones, or one with (nearly) all of its bits.

    Neighbours along K make a pair. On half of its threads or fewer a PE has one activation in each pair and is exact;
    where a lane has less than 4 bits, by taking the halves of an activation one after the other.

    Parameters
    ----------
    threads : int
        Products of one step: 2 * `pairs`, and either may be left out.
    pairs : 1, 2 or 4
        Pairs of one step (default 1).
    window : "2opt", "3opt", "5opt", "6opt" or "7opt"
        What a trimmed activation keeps (`WINDOWS`).
    trim : "round" or "raw"
        To nearest, ties to even, saturating; or low bits dropped.
    vsparq : bool
        An activation whose neighbour is zero has both lanes of the pair. Without, activations are trimmed always.
    signed_window : bool
        Activations are numbers around a zero point z, which a tile says: the array trims their distances from z, and
        lanes have a sign. "Zero" is then x = z. Without, z is 0.
    stc : bool
        Weights are 2:4 sparse: of each group of four operands along K at most two have a weight that is not zero, and
        these make the pair. Four operands of K per pair and step.
    """

    kind: str = "sparq"
    threads: int = 0
    pairs: int = 0
    window: str = "3opt"
    trim: str = "round"
    vsparq: bool = True
    signed_window: bool = False
    stc: bool = False

    CODE: ClassVar[int] = 1
    FUSES: ClassVar[bool] = False
    THREADS: ClassVar[tuple[int, ...]] = tuple(2 * pairs for pairs in PAIRS)
    EVENTS: ClassVar[tuple[str, ...]] = (
        "active",
        "busy",
        "collisions",
        "reduced",
        "alone",
        *(f"from_{shift}" for shift in range(2, 7)),
    )

    def __post_init__(self) -> None:
        if not self.pairs:
            object.__setattr__(self, "pairs", max(1, self.threads // 2) if type(self.threads) is int else 1)
        one_of("pairs", self.pairs, PAIRS)
        if not self.threads:
            object.__setattr__(self, "threads", 2 * self.pairs)
        super().__post_init__()
        if self.threads != 2 * self.pairs:
            raise ConfigError(
                f"threads = {self.threads} must be twice pairs = {self.pairs}; set one of them and leave out the other"
            )
        one_of("window", self.window, tuple(WINDOWS))
        one_of("trim", self.trim, TRIMS)
        one_of("vsparq", self.vsparq, (False, True))
        one_of("signed_window", self.signed_window, (False, True))
        one_of("stc", self.stc, (False, True))
        if self.stc:
            if self.narrow.bits < 4:
                raise ConfigError(f"stc = True needs a window of 4 bits (2opt, 3opt, 5opt), not window = {self.window}")
            for name, value, wanted in (("vsparq", self.vsparq, True), ("signed_window", self.signed_window, False)):
                if value != wanted:
                    raise ConfigError(f"stc = True needs {name} = {wanted}, not {name} = {value}")

    def with_fields(self, **changes: Any) -> "SparqConfig":
        """As `Config.with_fields`; of `pairs` and `threads` one follows the other."""
        for given, follows in (("pairs", "threads"), ("threads", "pairs")):
            if given in changes and follows not in changes:
                changes[follows] = 0
        found: SparqConfig = super().with_fields(**changes)
        return found

    @property
    def narrow(self) -> Window:
        """The window of an activation that shares its pair."""
        return WINDOWS[self.window]

    @property
    def pairs_per_thread(self) -> int:
        """As `PEConfig.pairs_per_thread`: with `stc` a thread brings two operands, of which a pair takes any."""
        return 2 if self.stc else 1

    @property
    def dense_threads(self) -> int:
        """As `PEConfig.dense_threads`: with `stc` half of them."""
        return self.threads // 2 if self.stc else self.threads

    def weight_bytes(self, lanes: int) -> int:
        """As `PEConfig.weight_bytes`; with `stc` two weights of each group, and behind all of them their places."""
        if not self.stc:
            return super().weight_bytes(lanes)
        return lanes * self.threads * W_WIDTH // 8 - (-lanes * self.threads * PLACE_WIDTH // 8)

    @property
    def zero_width(self) -> int:
        """As `PEConfig.zero_width`."""
        return X_WIDTH if self.signed_window else 0

    @property
    def k_part(self) -> int:
        """As `PEConfig.k_part`, so that an exact product fits too."""
        half = self.k_max // 2 // self.products * self.products
        return self.k_max if self.narrow.bits == 4 else max(self.products, half)

    def steps(self, k: int, threads: int | None = None) -> int:
        """As `PEConfig.steps`; an exact product takes two where a lane has less than 4 bits, and with `stc` its thread
        brings one operand and not two (`GoldenKind.x_fed`).
        """
        twice = (self.stc or self.narrow.bits < 4) and self.throttle(threads) < self.threads
        return super().steps(k << twice, threads)

    def check_k(self, k: int) -> None:
        """As `PEConfig.check_k`, so that an exact product fits too."""
        super().check_k(k)
        if self.narrow.bits < 4 and 2 * k > self.k_max:
            raise ConfigError(
                f"K = {k} must be at most {self.k_max // 2} with window = {self.window}, whose exact products take two "
                "steps; split K or widen acc_width"
            )

    @property
    def options(self) -> int:
        """`window` in 3 bits, then `trim` and `vsparq`, then `pairs` in 2 bits, then `signed_window`, `stc`."""
        packed = list(WINDOWS).index(self.window) | TRIMS.index(self.trim) << 3 | self.vsparq << 4
        return packed | PAIRS.index(self.pairs) << 5 | self.signed_window << 7 | self.stc << 8

    @classmethod
    def options_of(cls, bits: int) -> dict[str, Any]:
        """The fields of `options`."""
        return {
            "pairs": PAIRS[bits >> 5 & 3],
            "window": list(WINDOWS)[bits & 7],
            "trim": TRIMS[bits >> 3 & 1],
            "vsparq": bool(bits >> 4 & 1),
            "signed_window": bool(bits >> 7 & 1),
            "stc": bool(bits >> 8 & 1),
        }


KIND = SparqConfig
