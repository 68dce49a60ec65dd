# SPDX-License-Identifier: Apache-2.0
"""Configuration of the array: every width, latency and limit is derived here and computed nowhere else.

Gates (`hdl`), golden models (`sim`), the manifest and the documentation read these objects. This module imports
nothing but the standard library.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from sysmt.base.errors import ConfigError

POLICIES = ("S", "A", "Aw", "W", "aW", "S+A", "S+Aw", "S+W", "S+aW", "min")
ROUNDINGS = ("nearest", "truncate")
DRAINS = ("overlap", "in_place")
THREADS = (1, 2, 4)
TARGETS = ("asic", "fpga")
PIPELINES = (0, 1, 2, 3)

X_WIDTH = 8
W_WIDTH = 8
MAX_PRODUCT = 255 * 128
"""Largest magnitude of one product, exact or reduced (a reduced x is at most 240, a reduced w at least -128)."""


def one_of(name: str, value: Any, allowed: tuple) -> None:
    """Refuse a value that is not in `allowed` (the type must agree too: True is not 1)."""
    if not any(type(value) is type(a) and value == a for a in allowed):
        raise ConfigError(f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}")


def in_range(name: str, value: Any, low: int, high: int) -> None:
    """Refuse a value that is not an integer within `low..high`."""
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(f"{name} must be an integer from {low} to {high}, not {value!r}")


def power_of_two(name: str, value: Any, low: int, high: int) -> None:
    """Refuse a value that is not a power of two within `low..high`."""
    if type(value) is not int or not low <= value <= high or value & (value - 1):
        raise ConfigError(f"{name} must be a power of two from {low} to {high}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class PEConfig:
    """One processing element.

    Parameters
    ----------
    threads : 1, 2 or 4
        Threads that share the multiplier (NB-SMT, MICRO 2020). One thread is the conventional PE.
    policy : str
        When and how an operand is squeezed to 4 bits (`POLICIES`; MICRO 2020, section 3). No effect on one thread.
    rounding : "nearest" or "truncate"
        How the 4 bits are made.
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
    """

    threads: int = 1
    policy: str = "S+A"
    rounding: str = "nearest"
    acc_width: int = 32
    pipeline: int = 0
    target: str = "asic"
    dsp: bool = False
    clock_gating: bool = False

    def __post_init__(self):
        one_of("threads", self.threads, THREADS)
        one_of("policy", self.policy, POLICIES)
        one_of("rounding", self.rounding, ROUNDINGS)
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

    @property
    def detects_zeros(self) -> bool:
        """Whether the policy looks at sparsity: then an idle thread gives its share of the multiplier away."""
        return self.policy.startswith("S")

    @property
    def width_policy(self) -> str:
        """The part of the policy that looks at operand width: "", "A", "Aw", "W", "aW" or "min"."""
        return "" if self.policy == "S" else self.policy.removeprefix("S+")

    @property
    def mode_width(self) -> int:
        """Bits that tell a PE how many threads a tile runs on: "more than one", and with 4 threads "more than two".

        None where zero detection finds out by itself: a thread without operands is an idle thread.
        """
        return 0 if self.detects_zeros else {1: 0, 2: 1, 4: 2}[self.threads]

    @property
    def product_width(self) -> int:
        """Bits of the signed sum of the products of one step."""
        return {1: 16, 2: 17, 4: 18}[self.threads]

    @property
    def k_max(self) -> int:
        """Longest reduction that cannot overflow the accumulator, whatever the operands: whole steps of all threads."""
        return 2 ** (self.acc_width - 1) // MAX_PRODUCT // self.threads * self.threads

    def steps(self, k: int, threads: int | None = None) -> int:
        """Array steps of a reduction of length `k` on `threads` threads: ceil(k / threads)."""
        return -(-k // self.throttle(threads))

    def throttle(self, threads: int | None) -> int:
        """Number of threads a tile runs on: all when None; refused when the PE cannot be throttled to it."""
        if threads is None:
            return self.threads
        one_of("threads", threads, tuple(t for t in THREADS if t <= self.threads))
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


@dataclass(frozen=True, kw_only=True)
class ArrayConfig:
    """An output-stationary systolic array of equal PEs, with operand skew and drain.

    Parameters
    ----------
    rows, cols : int
        PEs down and across, 1 to 256. A tile is `rows` x `cols` outputs.
    pe : PEConfig
        The processing element.
    drain : "overlap" or "in_place"
        `overlap`: results move into a second register per PE and leave while the next tile runs; a tile takes
        max(steps, rows) cycles. `in_place`: the accumulators themselves are the way out, smaller; a tile takes
        steps + rows cycles.
    counters : bool
        Performance counters beside the array.
    fuse : bool
        The row-broadcast dataflow of FuSeConv (DATE 2021) beside the matrix product, chosen per tile: one weight wire
        per row, and an OR in front of every weight register. After a matrix product, a tile of 1-D convolutions that
        is narrower than the array waits for the columns beyond it.
    """

    rows: int = 8
    cols: int = 8
    pe: PEConfig = field(default_factory=PEConfig)
    drain: str = "overlap"
    counters: bool = True
    fuse: bool = False

    def __post_init__(self):
        in_range("rows", self.rows, 1, 256)
        in_range("cols", self.cols, 1, 256)
        if not isinstance(self.pe, PEConfig):
            raise ConfigError(f"pe must be a PEConfig, not {self.pe!r}")
        one_of("drain", self.drain, DRAINS)
        one_of("counters", self.counters, (False, True))
        one_of("fuse", self.fuse, (False, True))

    @property
    def registered(self) -> bool:
        """Whether steps enter through a register and rows leave through two short queues: target `fpga`.

        Then no path leads through the array, and what freezes it is a register.
        """
        return self.pe.target == "fpga"

    @property
    def latency(self) -> int:
        """Cycles from the last step of a tile to the end of the cycle its last row leaves, with no stall.

        One cycle hands the sum over (`overlap`), `rows` pass until the last row has its own, `rows` until the drain
        is empty, `cols` of skew, the pipeline of the PE, and the registers at both ends (`registered`).
        """
        return (self.drain == "overlap") + 2 * self.rows + self.cols - 1 + self.pe.pipeline + 3 * self.registered

    @property
    def counting(self) -> tuple[int, int]:
        """Cycles from a step to its count: in front of the counters, and inside them.

        With target `fpga` the detectors are no part of the way into the array, and they, the products and their sums
        have registers of their own.
        """
        return (2, 7) if self.pe.target == "fpga" else (0, 3)

    def tile_cycles(self, steps: int) -> int:
        """Cycles from the first step of a tile to the first step of the next, operands and sink always ready."""
        return max(steps, self.rows) if self.drain == "overlap" else steps + self.rows

    @property
    def w_lanes(self) -> int:
        """Weights of one step: one per column; with `fuse` as many as a tap for every row needs, too."""
        return max(self.rows, self.cols) if self.fuse else self.cols

    def fuse_steps(self, width: int, taps: int, stride: int = 1, threads: int | None = None) -> int:
        """Array steps of a 1-D convolution tile that is `width` outputs wide.

        Every thread has ceil(taps / threads) taps. With a stride the inputs of each residue run through the row on
        their own, and each of these phases fills `width - 1` PEs before its first tap.
        """
        steps = self.pe.steps(taps, threads)
        return min(stride, steps) * (width - 1) + steps

    @property
    def max_steps(self) -> int:
        """Most steps of a tile: with `fuse`, a filter of `k_max` taps whose every tap is a phase of its own."""
        return self.pe.k_max * (self.cols if self.fuse else 1)

    def as_dict(self) -> dict[str, Any]:
        """The fields, the nested ones flattened: what the manifest holds and `with_fields` takes back."""
        own = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "pe"}
        return own | dataclasses.asdict(self.pe)

    def with_fields(self, **changes: Any) -> "ArrayConfig":
        """A copy with the named fields, of the array or of its PE, replaced. Unknown names are refused."""
        pe_names = {f.name for f in dataclasses.fields(PEConfig)}
        own_names = {f.name for f in dataclasses.fields(self)} - {"pe"}
        for name in changes:
            if name not in pe_names | own_names:
                raise ConfigError(f"field must be one of {', '.join(sorted(pe_names | own_names))}, not {name!r}")
        pe = dataclasses.replace(self.pe, **{n: v for n, v in changes.items() if n in pe_names})
        return dataclasses.replace(self, pe=pe, **{n: v for n, v in changes.items() if n in own_names})


def parse_field(text: str) -> tuple[str, Any]:
    """Read one `field=value` of the command line into a name and a value of that field's type."""
    name, equals, value = text.partition("=")
    hints = get_type_hints(ArrayConfig) | get_type_hints(PEConfig)
    hints.pop("pe")
    if not equals or name not in hints:
        raise ConfigError(f"setting must be field=value with field one of {', '.join(sorted(hints))}, not {text!r}")
    kind = hints[name]
    if kind is bool:
        if value not in ("true", "false"):
            raise ConfigError(f"{name} must be true or false, not {value!r}")
        return name, value == "true"
    if kind is int:
        try:
            return name, int(value)
        except ValueError:
            raise ConfigError(f"{name} must be an integer, not {value!r}") from None
    return name, value
