# SPDX-License-Identifier: Apache-2.0
"""Configuration of the processing element: what every kind of it has in common.

A kind of PE is one module in each of four packages, called like the kind, and nothing else:

- `sysmt.hdl.params.kinds`: its parameters, limits and register code, a subclass of `PEConfig`;
- `sysmt.hdl.pe.kinds`: its gates, operand layout and counter events (`sysmt.hdl.pe.kind.Gates`);
- `sysmt.sim.golden.kinds`: its product in numpy (`sysmt.sim.golden.kind.GoldenKind`);
- `tb.references.kinds`: its product once more, slow and obvious.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from sysmt.base import plugins
from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import ConfigError

from .checks import in_range, one_of
from .config import Config

THREADS = (1, 2, 4)
TARGETS = ("asic", "fpga")
PIPELINES = (0, 1, 2, 3)

X_WIDTH = 8
W_WIDTH = 8

DEFAULT_KIND = "nbsmt"
_PACKAGE = "sysmt.hdl.params.kinds"


def kinds() -> tuple[str, ...]:
    """Names of all kinds of PE."""
    return plugins.names(_PACKAGE, "params")


def kind_of(name: str) -> "type[PEConfig]":
    """The class of configurations of the kind `name`."""
    if not isinstance(name, str) or name not in kinds():
        raise ConfigError(must_be_one_of("kind", name, kinds()))
    found: type[PEConfig] = plugins.load(_PACKAGE, "params", name)
    return found


@dataclass(frozen=True, kw_only=True)
class PEConfig(Config):
    """One processing element. `PEConfig(kind=..., ...)` makes a configuration of the class of that kind.

    Parameters
    ----------
    kind : str
        What the PE computes with: one of `kinds()`.
    threads : int
        Threads that share a PE: each has its own operand pairs of a step. One of the kind's `THREADS`.
    acc_width : int
        Bits of the partial sum, 17 to 32.
    pipeline : 0 to 3
        Register stages between operands and accumulator. 1: after the sum of the products. 2, with target `fpga`: in
        front of the multiplications, too (one thread without `dsp`: behind them). 3: on both sides of them.
    target : "asic" or "fpga"
        How the same function is written: `asic` as adders and selections for the smallest area in standard cells,
        `fpga` as operators from which tools infer carry chains, DSP blocks and clock enables.
    dsp : bool
        With target `fpga`: multiply in DSP blocks, instead of on carry chains.
    clock_gating : bool
        With target `asic`: a drain that waits and a sum that no thread adds to keep their value by an enable, which
        synthesis turns into a clock gate; without, by a choice, which is smaller where there are no clock gates.

    A kind's class adds fields of its own, and says the rest by these members:

    THREADS
        Numbers of threads that the kind can have, powers of two.
    FUSES
        Whether an array of them may have the dataflow of 1-D convolution: every thread has a part of K of its own.
    CODE
        Number of the kind in the accelerator's identity register, 0 to 15; no two kinds have the same.
    EVENTS
        Names of what its counters count, beside steps and stalls.
    pairs_per_thread
        Operand pairs that one thread brings in one step: more than 1 where a PE looks at neighbours along K together.
    dense_threads
        Most threads for dense weights: fewer than all where a PE counts on some that are zero.
    weight_bytes
        What the weights of one step take in a memory.
    max_product
        Largest magnitude of one product, exact or not: bounds the reduction.
    exact_alone, zero_width, mode_width, options, options_of
        See there.
    """

    kind: str = DEFAULT_KIND
    threads: int = 1
    acc_width: int = 32
    pipeline: int = 0
    target: str = "asic"
    dsp: bool = False
    clock_gating: bool = False

    THREADS: ClassVar[tuple[int, ...]] = THREADS
    FUSES: ClassVar[bool] = True
    CODE: ClassVar[int]
    EVENTS: ClassVar[tuple[str, ...]] = ("active", "busy", "collisions", "reduced")

    def __new__(cls, *, kind: str = DEFAULT_KIND, **_: Any) -> "PEConfig":
        return object.__new__(kind_of(kind) if cls is PEConfig else cls)

    def __post_init__(self) -> None:
        if type(self) is not kind_of(self.kind):
            raise ConfigError(
                f"kind = {self.kind!r} is no {type(self).__name__}: use PEConfig(kind={self.kind!r}, ...)"
            )
        one_of("threads", self.threads, self.THREADS)
        in_range("acc_width", self.acc_width, 17, 32)
        one_of("pipeline", self.pipeline, PIPELINES)
        one_of("target", self.target, TARGETS)
        one_of("dsp", self.dsp, (False, True))
        one_of("clock_gating", self.clock_gating, (False, True))
        if self.target == "asic" and (self.pipeline > 1 or self.dsp):
            name, value = ("dsp", self.dsp) if self.dsp else ("pipeline", self.pipeline)
            raise ConfigError(f"{name} = {value} needs target = fpga, not target = asic")
        if self.target == "fpga" and self.clock_gating:
            raise ConfigError("clock_gating = True needs target = asic, not target = fpga")
        if self.k_max == 0:
            raise ConfigError(
                f"acc_width = {self.acc_width} cannot hold one step of threads = {self.threads}: widen acc_width"
            )

    def converted(self, changes: Mapping[str, Any]) -> "PEConfig":
        """With another `kind` among the changes: a PE of that kind, its common fields as here.

        Where that kind cannot have as many threads, it has the nearest number below, or its smallest.
        """
        kind = changes.get("kind", self.kind)
        if kind == self.kind:
            return self
        made = kind_of(kind)
        common = {field.name: getattr(self, field.name) for field in fields(PEConfig)} | {"kind": kind}
        common["threads"] = max((t for t in made.THREADS if t <= self.threads), default=made.THREADS[0])
        return made(**common)

    @property
    def pairs_per_thread(self) -> int:
        """Operand pairs that one thread brings in one step."""
        return 1

    @property
    def products(self) -> int:
        """Products, and so operand pairs, of one step."""
        return self.threads * self.pairs_per_thread

    @property
    def dense_threads(self) -> int:
        """Most threads for weights of which any may be other than zero."""
        return self.threads

    def weight_bytes(self, lanes: int) -> int:
        """Bytes that the weights of one step take in a memory, for `lanes` columns of an array."""
        return lanes * self.products * W_WIDTH // 8

    @property
    def max_product(self) -> int:
        """Largest magnitude of one product."""
        return 255 * 128

    @property
    def exact_alone(self) -> bool:
        """Whether a product is exact where every other operand pair of its step has a zero operand.

        Then threads may share a PE without error as long as never two of them are active in the same step.
        """
        return False

    @property
    def zero_width(self) -> int:
        """Bits of the activations' zero point, which a tile then says and the array takes off them.

        0 where activations are taken as they are.
        """
        return 0

    @property
    def mode_width(self) -> int:
        """Bits that tell a PE how many threads a tile runs on: "more than one", and with 4 threads "more than two".

        0 where a PE finds out by itself: a thread without operands is an idle thread.
        """
        return 0

    @property
    def product_width(self) -> int:
        """Bits of the signed sum of the products of one step."""
        return (self.products * self.max_product).bit_length() + 1

    @property
    def options(self) -> int:
        """The fields that only this kind has, as at most 13 bits of the identity register; see `options_of`."""
        return 0

    @classmethod
    def options_of(cls, bits: int) -> dict[str, Any]:
        """The fields that `options` stand for. ValueError or IndexError where they stand for none."""
        return {}

    @property
    def k_max(self) -> int:
        """Longest reduction that cannot overflow the accumulator, whatever the operands: whole steps of all threads."""
        return int(2 ** (self.acc_width - 1) // self.max_product // self.products * self.products)

    @property
    def k_part(self) -> int:
        """Longest reduction that `check_k` lets pass, in whole steps: what a longer one is cut into."""
        return self.k_max

    def steps(self, k: int, threads: int | None = None) -> int:
        """Array steps of a reduction of length `k` on `threads` threads: ceil(k / operand pairs of a step)."""
        return -(-k // (self.throttle(threads) * self.pairs_per_thread))

    @property
    def throttles(self) -> tuple[int, ...]:
        """Numbers of threads that a tile can run on: powers of two."""
        return tuple(1 << i for i in range(self.threads.bit_length()))

    def throttle(self, threads: int | None) -> int:
        """Number of threads a tile runs on: all when None; refused when the PE cannot be throttled to it."""
        if threads is None:
            return self.threads
        one_of("threads", threads, self.throttles)
        return threads

    def check_k(self, k: int) -> None:
        """Refuse a reduction length that is empty or could overflow the accumulator."""
        if k < 1:
            raise ConfigError(f"K must be at least 1, not {k}")
        if k > self.k_max:
            raise ConfigError(
                f"K = {k} could overflow acc_width = {self.acc_width}: at most {self.k_max} fit; "
                "split K or widen acc_width"
            )
