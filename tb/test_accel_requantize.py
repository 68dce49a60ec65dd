# SPDX-License-Identifier: Apache-2.0
"""The requantiser's RTL against the golden model, and what it says of values that the reference leaves undefined."""

import numpy as np
import pytest

from sysmt.hdl.accel.requantize import Requantizer
from sysmt.sim.golden.requantize import INT32, VARIANTS, Requantize

from .accel import simulate
from .mutants import one_bug_per_component, seeded_bug


def requantised(sums: np.ndarray, unit: Requantize) -> tuple[list[int], list[int], list[int]]:
    """The bytes that the RTL makes of sums, channel by channel, their overflow flags, and the cycles they took."""
    requantizer, out, cycles = Requantizer(), [], 0
    fields = (sums, unit.bias, unit.multiplier, unit.shift)
    sent = [
        {"sum": int(s), "channel": {"bias": int(b), "multiplier": int(m), "shift": int(f)}}
        for s, b, m, f in zip(*fields, strict=True)
    ]

    async def bench(ctx):
        nonlocal cycles
        for name in ("zero_point", "low", "high"):
            ctx.set(getattr(requantizer, name), getattr(unit, name))
        ctx.set(requantizer.double, unit.variant == "double")
        ctx.set(requantizer.o.ready, 1)
        for item in sent:
            ctx.set(requantizer.i.payload, item)
            ctx.set(requantizer.i.valid, 1)
            await ctx.tick().until(requantizer.i.ready)
            ctx.set(requantizer.i.valid, 0)
            cycles = 1
            while not ctx.get(requantizer.o.valid):
                await ctx.tick()
                cycles += 1
            out.append((ctx.get(requantizer.o.payload), ctx.get(requantizer.overflow), cycles))
            await ctx.tick()

    simulate(requantizer, bench)
    return tuple(map(list, zip(*out, strict=True)))


def cases(variant: str, count: int, seed: int = 0) -> tuple[np.ndarray, Requantize]:
    """Sums at and beside ties, extreme ones and random ones, with shifts over the whole range."""
    random = np.random.default_rng(seed)
    shift = random.integers(-31, 31, count)
    multiplier = np.where(random.random(count) < 0.3, 2**30, random.integers(0, 2**31, count))
    width = random.integers(1, 32, count)
    value = random.integers(-(2**31), 2**31, count) >> (31 - width)
    ties = (1 << np.clip(-shift, 0, 29)) * random.integers(-3, 4, count) + random.integers(-1, 2, count)
    # As near to half a step as a sum gets, where both factors have all their bits.
    steps = (random.integers(-99, 118, count) + 0.5) * 2.0 ** (31 - shift) / (multiplier + 1)
    near = np.rint(np.clip(steps, INT32.min + 1, INT32.max - 1)).astype(np.int64) + random.integers(-1, 2, count)
    value = np.choose(random.integers(3, size=count), [value, ties, near])
    if variant == "double":
        value >>= np.maximum(shift, 0)
    value[:4] = [INT32.max, INT32.min, 0, -1]
    shift[:4] = [-31, 0, -5, -1]
    bias = np.clip(random.integers(-(2**20), 2**20, count), value - INT32.max, value - INT32.min)
    unit = Requantize(bias=bias, multiplier=multiplier, shift=shift, zero_point=-7, low=-100, high=119, variant=variant)
    return value - bias, unit


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_requantiser_equals_the_golden_model(variant):
    check_requantiser(variant, 150)


def check_requantiser(variant: str, count: int) -> None:
    sums, unit = cases(variant, count)
    got, overflow, cycles = requantised(sums, unit)
    assert got == [int(value) & 0xFF for value in unit(sums)]
    assert not any(overflow)
    shortest, longest = Requantizer.LATENCY
    assert all(shortest <= count <= longest for count in cycles)


@pytest.mark.regress
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_requantiser_equals_the_golden_model_on_many_values(variant, seed):
    sums, unit = cases(variant, 10000, seed + 1)
    assert requantised(sums, unit)[0] == [int(value) & 0xFF for value in unit(sums)]


@pytest.mark.parametrize(("total", "bias", "shift", "over"), [
    (2**31 - 1, 1, 0, True),
    (-(2**31), -1, 0, True),
    (2**31 - 2, 1, 0, False),
    (2**20, 0, 11, True),
    (-(2**20), 0, 11, False),
])  # fmt: skip
def test_the_requantiser_reports_what_the_reference_leaves_undefined(total, bias, shift, over):
    unit = Requantize(bias=np.array([bias]), multiplier=np.array([2**30]), shift=np.array([shift]))
    assert requantised(np.array([total]), unit)[1] == [over]


def test_an_overflow_is_of_its_own_sum_only():
    fields = {"bias": np.array([1, 0, -1, 0]), "multiplier": np.full(4, 2**30), "shift": np.zeros(4, int)}
    sums = np.array([2**31 - 1, 5, -(2**31), -5])
    assert requantised(sums, Requantize(**fields))[1] == [1, 0, 1, 0]


@pytest.mark.parametrize(("zero_point", "low", "high"), [(-20000, -30000, -10000), (20000, 10000, 30000)])
def test_zero_points_and_limits_have_16_bits(zero_point, low, high):
    values = np.array([0, 1, -999, 9999, -9999, 20000, -20000])
    fields = {"bias": np.zeros(7, int), "multiplier": np.full(7, 2**30), "shift": np.ones(7, int)}
    unit = Requantize(**fields, zero_point=zero_point, low=low, high=high)
    outputs = np.clip(values + zero_point, low, high)
    assert requantised(values, unit)[0] == [int(value) & 0xFF for value in outputs]


def test_latency():
    """The shortest shifts, and the longest that the reference defines."""
    ends = [(30, "single"), (30, "double")]
    one = {"bias": np.zeros(1, int), "multiplier": np.array([2**30])}
    units = [Requantize(**one, shift=np.array([shift]), variant=variant) for shift, variant in ends]
    assert tuple(requantised(np.array([1]), unit)[2][0] for unit in units) == Requantizer.LATENCY


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("places.eq(Mux(self.double, 31, 31 - shift)[:6])", "places.eq(31 - shift)"),
        ("value.eq((value + 1) >> 1)", "value.eq(value >> 1)"),
        ("negative.eq(value[-1]),\n                    value.eq(Mux(value[-1], -value, value)),", "negative.eq(0),"),
        ("with m.If(value < self.low)", "with m.If(0)"),
        ("(3, PART)", "(3, 0)"),
    ],
)
def test_seeded_bugs_of_the_requantiser_are_found(right, wrong):
    def checks() -> None:
        for variant in VARIANTS:
            check_requantiser(variant, 60)

    with seeded_bug("sysmt.hdl.accel.requantize", "Requantizer", right, wrong), pytest.raises(AssertionError):
        checks()
