# SPDX-License-Identifier: Apache-2.0
"""Multipliers of target `fpga` in every pipeline, with DSP blocks and without: steps in a row, frozen in between."""

import numpy as np
import pytest
from amaranth.hdl import ClockDomain, Module, Value

from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PIPELINES, PEConfig
from sysmt.hdl.pe.kind import gates_of
from sysmt.sim.golden.kind import golden_of

from .accel import simulate

STEPS = 40
ELEMENTS = {
    "one thread": PEConfig(target="fpga"),
    "two threads": PEConfig(target="fpga", threads=2, policy="aW"),
    "four threads": PEConfig(target="fpga", threads=4, policy="S+A"),
    "sparq": SparqConfig(target="fpga", window="5opt"),
    "sparq around a zero point": SparqConfig(target="fpga", window="6opt", signed_window=True),
    "sparq, two pairs": SparqConfig(target="fpga", pairs=2, window="2opt", trim="raw"),
    "sparq on 2:4 weights": SparqConfig(target="fpga", window="2opt", stc=True),
}


def operands(pe):
    """Steps of activations, distances from a zero point where the PE has one, and weights, in the order of K."""
    random, shape = np.random.default_rng(3), (STEPS, pe.products)
    x = random.integers(0, 256, shape) >> random.choice((0, 0, 2, 4, 8), shape)
    w = random.integers(-128, 128, shape) >> random.choice((0, 0, 5), shape)
    if getattr(pe, "stc", False):
        w[random.random((STEPS, pe.products // 4, 4)).argsort(axis=2).argsort(axis=2).reshape(shape) > 1] = 0
    if pe.zero_width:
        x = x * random.choice((-1, 1), shape)
    return x.astype(np.int16 if pe.zero_width else np.uint8), w.astype(np.int8)


class Element:
    """A multiplier behind what stands at the edges of the array: activations and weights as an array takes them."""

    def __init__(self, pe):
        self.module, gates = Module(), gates_of(pe)
        self.module.submodules.multiplier = self.multiplier = gates.multiplier(pe)(pe)
        self.x, self.w = self.multiplier.x, self.multiplier.w
        wires = [self.multiplier.mode.eq(-1)]
        if (edge := gates.edge(pe)) is not None:
            self.module.submodules.edge = made = edge(pe)
            wires += [Value.cast(self.x).eq(Value.cast(made.o)), made.full.eq(1)]
            self.x, self.negative = made.i, getattr(made, "negative", None)
        if (selector := gates.weight_edge(pe)) is not None:
            self.module.submodules.selector = made = selector(pe)
            wires += [Value.cast(self.w).eq(Value.cast(made.o)), made.runs.eq(-1)]
            self.w = made.i
        self.module.domains.sync = ClockDomain()  # Some have no register.
        self.module.d.comb += wires

    def set(self, ctx, x, w):
        """One step, lane by lane."""
        ctx.set(self.x, [abs(int(value)) for value in x])
        ctx.set(self.w, [int(value) for value in w])
        if x.dtype != np.uint8:
            ctx.set(self.negative, sum(1 << lane for lane, value in enumerate(x) if value < 0))


@pytest.mark.parametrize(("element", "dsp"), [*((name, False) for name in ELEMENTS), ("one thread", True)])
@pytest.mark.parametrize("pipeline", PIPELINES)
def test_products_come_after_the_registers_of_the_pipeline(element, pipeline, dsp):
    """One register less than `pipeline`, whose last one is behind the multiplier; without any, low `enable` gives 0."""
    pe = ELEMENTS[element].with_fields(pipeline=pipeline, dsp=dsp)
    x, w = operands(pe)
    golden = golden_of(pe)
    lanes = golden.k_order(pe.products, pe, pe.threads)[:, 0]
    wanted = [
        int(golden.product(a[None], b[:, None], pe, pe.threads, counting=False).sums[0, 0])
        for a, b in zip(x, w, strict=True)
    ]
    design, random = Element(pe), np.random.default_rng(4)
    multiplier, inside = design.multiplier, max(pipeline - 1, 0)

    async def bench(ctx):
        taken = []
        for step in range(STEPS):
            design.set(ctx, x[step, lanes], w[step, lanes])
            while random.random() < 0.3:
                ctx.set(multiplier.enable, 0)
                if not pipeline:
                    assert ctx.get(multiplier.product) == 0
                await ctx.tick()
            ctx.set(multiplier.enable, 1)
            taken.append(wanted[step])
            if step >= inside:
                assert ctx.get(multiplier.product) == taken[step - inside]
            await ctx.tick()

    simulate(design.module, bench)
