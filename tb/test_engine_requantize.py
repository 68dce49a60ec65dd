# SPDX-License-Identifier: Apache-2.0
"""The pipelined requantiser against the golden model, and what it says of what the reference leaves undefined."""

import numpy as np
import pytest

from sysmt.hdl.engine.requantize import RequantizerLane
from sysmt.sim.golden.requantize import INT32, VARIANTS, Requantize

from .mutants import one_bug_per_component, seeded_bug
from .pipelines import stream_through
from .test_accel_requantize import cases

MODULE = "sysmt.hdl.engine.requantize"


def requantised(sums: np.ndarray, unit: Requantize, blocks: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Results and overflow flags of the RTL, with or without DSP blocks, for sums of successive channels."""
    channels = zip(sums, unit.bias, unit.multiplier, unit.shift, strict=True)
    inputs = [
        {"sum": int(s), "channel": {"bias": int(b), "multiplier": int(m), "shift": int(f)}} for s, b, m, f in channels
    ]
    constants = {name: getattr(unit, name) for name in ("zero_point", "low", "high")}
    constants["double"] = unit.variant == "double"
    got = stream_through(RequantizerLane(blocks), constants, inputs, ("result", "overflow"))
    return got["result"], got["overflow"]


def corners(variant: str, every: int = 1) -> tuple[np.ndarray, Requantize]:
    """Extreme and smallest values, and those beside the ties of every shift, under extreme multipliers.

    `every` 7: a seventh of them, of each shift and multiplier. Lanes without DSP blocks take long to simulate.
    """
    out = []
    for shift in range(-31, 31):
        left = max(shift, 0) if variant == "double" else 0
        near = {0, 1, -1, 2, -2, 3, -3, INT32.max >> left, INT32.min >> left, (INT32.max >> left) - 1}
        ties = {sign * ((1 << max(-shift, 1)) * k // 2 + d) for k in (1, 2, 3) for d in (-1, 0, 1) for sign in (-1, 1)}
        values = sorted(v for v in near | ties if INT32.min >> left <= v <= INT32.max >> left)
        out += [(v, m, shift) for v in values for m in (0, 1, 2**30, 2**30 + 1, 2**31 - 1)]
    value, multiplier, shift = np.array(out[::every], np.int64).T
    bias = np.where(np.arange(len(value)) % 3, 0, np.clip(value, -1000, 1000))
    return value - bias, Requantize(
        bias=bias, multiplier=multiplier, shift=shift, zero_point=11, low=-128, high=127, variant=variant
    )


def check(sums: np.ndarray, unit: Requantize, blocks: bool = True) -> None:
    results, overflow = requantised(sums, unit, blocks)
    np.testing.assert_array_equal(results, unit(sums))
    assert not overflow.any()


ALL = [("single", True), ("double", True), ("double", False)]
"""Variants with DSP blocks and without; the other one is with `make regress`."""
LONG = pytest.param("single", False, marks=pytest.mark.regress)


@pytest.mark.parametrize(("variant", "blocks"), [*ALL, LONG])
def test_corner_cases(variant, blocks):
    check(*corners(variant, 1 if blocks else 7), blocks)


@pytest.mark.regress
@pytest.mark.parametrize("variant", VARIANTS)
def test_all_corner_cases_without_blocks(variant):
    check(*corners(variant), blocks=False)


@pytest.mark.parametrize(("variant", "blocks"), [*ALL, LONG])
def test_random_values(variant, blocks):
    check(*cases(variant, 4000 if blocks else 500, 7), blocks)


@pytest.mark.parametrize("blocks", [True, False])
def test_any_bit_beside_a_half_is_seen(blocks):
    """Where the first rounding of two leaves an odd number, the second one tells whether it was a half, or more."""
    multiplier = np.array([2**30, *(2**30 + 2**bit for bit in range(30))], np.int64)
    ones = np.ones(len(multiplier), np.int64)
    unit = Requantize(
        bias=0 * ones, multiplier=multiplier, shift=-ones, zero_point=0, low=-128, high=127, variant="double"
    )
    assert unit(-ones).tolist() == [0] + [-1] * 30
    check(-ones, unit, blocks)


@pytest.mark.parametrize(("zero_point", "low", "high"), [(-128, -128, 127), (127, -128, 127), (0, 0, 0), (5, 5, 6)])
def test_zero_points_and_clamps(zero_point, low, high):
    """The magnitude in front of the zero point has 8 bits: enough for the extreme zero points."""
    values = np.concatenate([np.arange(-600, 600), [INT32.min, INT32.max]])
    ones = np.ones(len(values), np.int64)
    unit = Requantize(
        bias=0 * ones, multiplier=2**30 * ones, shift=ones, zero_point=zero_point, low=low, high=high, variant="single"
    )
    check(values, unit)


@pytest.mark.regress
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("variant", VARIANTS)
def test_many_values(variant, seed):
    check(*cases(variant, 50000, seed + 1), bool(seed % 2))


UNDEFINED = [
    (2**31 - 1, 1, 2**30, 0, True, True),
    (-(2**31), -1, 2**30, 0, True, True),
    (2**31 - 2, 1, 2**30, 0, False, False),
    (-(2**31), 0, 2**30, -31, False, False),
    (5, 0, 2**31, 0, True, True),
    (5, 0, 2**30, -32, True, True),
    (5, 0, 2**30, 31, True, True),
    (5, 0, 2**30, 127, True, True),
    (5, 0, 2**30, -128, True, True),
]
LEFT = [
    case
    for shift in range(1, 31)
    for case in (
        (2 ** (31 - shift), 0, 2**30, shift, True, False),
        (2 ** (31 - shift) - 1, 0, 2**30, shift, False, False),
        (-(2 ** (31 - shift)), 0, 2**30, shift, False, False),
        (-(2 ** (31 - shift)) - 1, 0, 2**30, shift, True, False),
        (2**30, 0, 2**30, shift, True, False),
    )
]
"""Sum, bias, multiplier, shift; whether `double`, and `single`, must report them."""


@pytest.mark.parametrize("blocks", [True, False])
@pytest.mark.parametrize("double", [False, True])
def test_what_the_reference_leaves_undefined_is_reported(double, blocks):
    names = ("bias", "multiplier", "shift")
    inputs = [{"sum": s, "channel": dict(zip(names, rest[:3], strict=True))} for s, *rest in UNDEFINED + LEFT]
    constants = {"double": double, "zero_point": 0, "low": -128, "high": 127}
    got = stream_through(RequantizerLane(blocks), constants, inputs, ("overflow",))["overflow"]
    assert got.tolist() == [case[4 if double else 5] for case in UNDEFINED + LEFT]


@pytest.mark.parametrize("blocks", [True, False])
def test_latency(blocks):
    """A value is seen after `LATENCY` cycles, and not before."""
    quiet = {"sum": 0, "channel": {"bias": 0, "multiplier": 2**30, "shift": 1}}
    inputs = [quiet] * 20 + [quiet | {"sum": 9}] + [quiet] * 20
    constants = {"double": 0, "zero_point": 0, "low": -128, "high": 127}
    got = stream_through(RequantizerLane(blocks), constants, inputs, ("result",))["result"]
    assert np.flatnonzero(got).tolist() == [20]


IN_BLOCKS = "\n        half = twice & fraction[PART - 1]"
"""What follows in the one of two forms."""


@one_bug_per_component(
    ("module", "component", "right", "wrong"),
    [
        (MODULE, "RequantizerLane", "(~negative | Cat(lowest, fraction[: PART - 1]).any())", "1"),
        (MODULE, "RequantizerLane", "Cat(lowest, fraction[: PART - 1]).any()", "fraction[: PART - 1].any()"),
        (MODULE, "RequantizerLane", f"twice = self.double & shift[-1]{IN_BLOCKS}", f"twice = self.double{IN_BLOCKS}"),
        (MODULE, "RequantizerLane", f"twice = self.double & shift[-1]{IN_BLOCKS}", f"twice = Const(0, 1){IN_BLOCKS}"),
        (MODULE, "RequantizerLane", "Mux(value[-1], -value, value)", "value"),
        (
            MODULE,
            "RequantizerLane",
            "m.d.sync += middle.eq(products[0, 1] + products[1, 0])",
            "middle = products[0, 1]",
        ),
        (MODULE, "RequantizerLane", "with m.If(total < self.low)", "with m.If(0)"),
        (MODULE, "RequantizerLane", "with m.Elif(total > self.high)", "with m.Elif(0)"),
        (MODULE, "RequantizerLane", "left = self.double & ~of_sum[-1]", "left = ~of_sum[-1]"),
        (MODULE, "RequantizerLane", "(value[-1] != value[-2]) | ~legal", "~legal"),
        (MODULE, "RequantizerLane", "(value[-1] != value[-2]) | ~legal", "(value[-1] != value[-2])"),
        (MODULE, "RequantizerLane", "QUOTIENT + 2", "QUOTIENT + 1"),
        ("sysmt.hdl.engine.rounding_shift", "RoundingShift", "(away | ~negative | below)", "1"),
        ("sysmt.hdl.engine.rounding_shift", "RoundingShift", "(away | ~negative | below)", "(~negative | below)"),
        ("sysmt.hdl.engine.rounding_shift", "RoundingShift", "below | under", "under"),
        ("sysmt.hdl.engine.rounding_shift", "RoundingShift", "above | over", "over"),
        ("sysmt.hdl.engine.rounding_shift", "RoundingShift", "above.replicate(self._result)", "0"),
    ],
)
def test_seeded_bugs_are_found(module, component, right, wrong):
    def checks() -> None:
        for variant in VARIANTS:
            check(*corners(variant))
        test_zero_points_and_clamps(-128, -128, 127)
        test_zero_points_and_clamps(5, 5, 6)
        for double in (False, True):
            test_what_the_reference_leaves_undefined_is_reported(double, True)

    with seeded_bug(module, component, right, wrong), pytest.raises(AssertionError):
        checks()


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("(~negative | fraction[:-1].any())", "1"),
        ("low + (high << PART)", "low.as_unsigned() + (high << PART)"),
        ("Cat(below, 0, row, ~highest)", "Cat(below, 0, row, highest)"),
        ("rows.append(below << (len(bits) - 1))", "pass"),
        ('later(result, "waiting", 3)', 'later(total[:8], "waiting", 4)'),
    ],
)
def test_seeded_bugs_without_blocks_are_found(right, wrong):
    with seeded_bug(MODULE, "RequantizerLane", right, wrong), pytest.raises(AssertionError):
        check(*corners("double", 7), blocks=False)
