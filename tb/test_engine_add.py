# SPDX-License-Identifier: Apache-2.0
"""The pipelined addition of a residual against the ADD of the networks, for all pairs of codes that matter."""

from dataclasses import dataclass

import numpy as np
import pytest

from sysmt.hdl.engine.add import Addend, AddLane
from sysmt.sim.golden.requantize import VARIANTS, multiply
from sysmt.sim.nn.graph import Graph, Node, Tensor
from sysmt.sim.nn.operators import arithmetic
from sysmt.sim.nn.scales import VARIANT, clamp, multiplier

from .mutants import one_bug_per_component, seeded_bug
from .pipelines import stream_through

MODULE = "sysmt.hdl.engine.add"
CODES = np.arange(-128, 128)


def addends(zero: int, m: int, shift: int, variant: str) -> np.ndarray:
    constants = {"zero": zero, "multiplier": m, "shift": shift, "double": variant == "double"}
    inputs = [{"code": int(code)} for code in CODES]
    return stream_through(Addend(), constants, inputs, ("value",))["value"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_addends(variant):
    """Every code; every shift, and multipliers with and without ties."""
    random = np.random.default_rng(3)
    for shift in range(-31, 1):
        m = int(random.choice([2**30, 2**31 - 1, random.integers(2**30, 2**31), random.integers(0, 2**20)]))
        zero = int(random.choice([-128, 127, 0, random.integers(-128, 128)]))
        expected = multiply((CODES - zero) << arithmetic.ADD_SHIFT, m, shift, variant)
        np.testing.assert_array_equal(addends(zero, m, shift, variant), expected, f"{m} {shift} {zero}")


TIES = [(2**30, -9, 0), (2**30 + 2**20, -13, 1), (3 << 29, -20, -128), (2**30 + 2**10, -1, 0), (2**30 + 2**10, 0, 0)]
TIES.append((2**30 + 3 * 2**9, -1, 0))  # More than a half, by the bit below it.


@pytest.mark.parametrize(("m", "shift", "zero"), TIES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_addends_at_ties(m, shift, zero, variant):
    expected = multiply((CODES - zero) << arithmetic.ADD_SHIFT, m, shift, variant)
    np.testing.assert_array_equal(addends(zero, m, shift, variant), expected)


@dataclass(frozen=True)
class Addition:
    """Scales and zero points of main path, residual and sum, and the activation behind."""

    scales: tuple[float, float, float]
    zeros: tuple[int, int, int]
    activation: str = "NONE"

    def tensors(self) -> tuple[Tensor, ...]:
        """The residual is a constant: a graph has one input."""
        shape, data = (1, 1), {"residual": np.zeros((1, 1), np.int8)}
        return tuple(
            Tensor(
                name=name,
                shape=shape,
                dtype="int8",
                scale=np.array([scale], np.float32),
                zero_point=np.array([zero]),
                data=data.get(name),
            )
            for name, scale, zero in zip(("main", "residual", "sum"), self.scales, self.zeros, strict=True)
        )

    def expected(self, main: np.ndarray, residual: np.ndarray) -> np.ndarray:
        node = Node(index=0, kind="ADD", inputs=(0, 1), output=2, options={"activation": self.activation})
        graph = Graph(tensors=self.tensors(), nodes=(node,), input=0, output=2)
        return arithmetic.add(graph, node)(main, residual)

    def fields(self) -> dict[str, int]:
        """The fields of the descriptor."""
        a, b, y = self.tensors()
        twice = 2 * max(float(a.scale[0]), float(b.scale[0]))
        fields = {"add_double": int(VARIANT == "double")}
        for name, scale in (
            ("main", float(a.scale[0]) / twice),
            ("residual", float(b.scale[0]) / twice),
            ("add", twice / (2**arithmetic.ADD_SHIFT * float(y.scale[0]))),
        ):
            fields[f"{name}_multiplier"], fields[f"{name}_shift"] = multiplier(scale)
        fields["add_low"], fields["add_high"] = clamp(self.activation, y)
        return fields | {"main_zero": a.z, "residual_zero": b.z, "add_zero_point": y.z}


ADDITIONS = [
    Addition((0.05, 0.03, 0.06), (-128, -128, -128), "RELU"),
    Addition((0.01, 0.4, 0.41), (3, -7, 11)),
    Addition((0.25, 0.25, 0.5), (0, 0, 0)),
    Addition((1.0, 0.0001, 0.02), (127, -128, -20), "RELU6"),
    Addition((1.0, 0.25, 1.1), (5, -9, 2)),
]


def check_addition(addition: Addition, count: int) -> None:
    pairs = np.random.default_rng(5).integers(-128, 128, (count, 2))
    corners = [(a, b) for a in (-128, -1, 0, 1, 127) for b in (-128, -1, 0, 1, 127)]
    main, residual = np.concatenate([pairs, corners]).astype(np.int8).T
    inputs = [{"main": int(a), "residual": int(b)} for a, b in zip(main, residual, strict=True)]
    got = stream_through(AddLane(), {"layer": addition.fields()}, inputs, ("result",))["result"]
    np.testing.assert_array_equal(got, addition.expected(main, residual))


@pytest.mark.parametrize("addition", ADDITIONS)
def test_additions(addition):
    check_addition(addition, 1500)


def test_latency():
    """A value is seen after `LATENCY` cycles, and not before."""
    inputs = [{"main": 100 * (i == 7), "residual": -50 * (i == 7)} for i in range(40)]
    layer = {"layer": Addition((0.5, 0.5, 0.5), (0, 0, 0)).fields()}
    assert np.flatnonzero(stream_through(AddLane(), layer, inputs, ("result",))["result"]).tolist() == [7]


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("(~negative | product[: FRACTION - 1].any())", "1"),
        ("twice = self.double & self.shift[-1]", "twice = self.double"),
        ("twice = self.double & self.shift[-1]", "twice = 0"),
        ("Mux(difference[-1], -difference, difference)", "difference"),
        ("low + (high << PART)", "low"),
        ("flip.replicate(RESULT)", "0"),
        ("(rounding.up ^ flip)", "(rounding.up)"),
        ("addend.zero.eq(layer[f\"{scaled}_zero\"])", "addend.zero.eq(layer.main_zero)"),
        ("zero.eq(layer[f\"{half}_zero\"]),\n        ]", "zero.eq(layer.main_zero),\n        ]"),
        ("is_half(layer, \"residual\"))", "layer.residual_multiplier == 1 << 30)"),
        ("(ADD_SHIFT - 1)", "ADD_SHIFT"),
        ("lane.low.eq(layer.add_low)", "lane.low.eq(-128)"),
    ],
)  # fmt: skip
def test_seeded_bugs_are_found(right, wrong):
    component = "AddLane" if "layer" in right or "ADD_SHIFT" in right else "Addend"

    def checks() -> None:
        for variant in VARIANTS:
            for tie in TIES:
                test_addends_at_ties(*tie, variant)
        for addition in ADDITIONS:
            check_addition(addition, 200)

    with seeded_bug(MODULE, component, right, wrong), pytest.raises(AssertionError):
        checks()
