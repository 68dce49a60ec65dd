# SPDX-License-Identifier: Apache-2.0
"""Test fixtures in RTL: many multipliers side by side, so that one build serves all policies."""

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.emit import Design, emit, shared
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.pe.kind import gates_of


class MultiplierBench(wiring.Component):
    """`lanes` multipliers of every variant; lane l of all variants gets the same operands.

    Members
    -------
    x, w : In(lanes * pairs * 8)
    running : In(2)
        Threads that run, as a power of two.
    enable : In(1)
    products : Out(variants * lanes * 32)
        Of every variant the products of every lane, signed: one port, since reading takes time.
    """

    def __init__(self, variants: tuple[PEConfig, ...], lanes: int):
        self.variants, self.lanes = variants, lanes
        operands = lanes * variants[0].products * 8
        ports = {"x": In(operands), "w": In(operands), "running": In(2), "enable": In(1)}
        ports["products"] = Out(len(variants) * lanes * 32)
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        width = len(self.x) // self.lanes
        mode = Cat(self.running != 0, self.running == 2)
        products = []
        for i, variant in enumerate(self.variants):
            kind = gates_of(variant).multiplier(variant)
            named = type(kind.__name__, (kind,), {"module_name": staticmethod(lambda _, i=i: f"variant_{i}")})
            for lane in range(self.lanes):
                multiplier = shared(m, f"variant_{i}_{lane}", named, variant, platform)
                m.d.comb += [
                    multiplier.x.eq(self.x.word_select(lane, width)),
                    multiplier.w.eq(self.w.word_select(lane, width)),
                    multiplier.mode.eq(mode[: variant.mode_width]),
                    multiplier.enable.eq(self.enable),
                ]
                products.append(multiplier.product)
        for i, product in enumerate(products):
            m.d.comb += self.products.word_select(i, 32).eq(product)
        return m


def multiplier_bench(variants: tuple[PEConfig, ...], lanes: int) -> Design:
    """Emit the fixture."""
    return emit(MultiplierBench(variants, lanes), f"multipliers_{variants[0].threads}", {})


class TrimmedProducts(wiring.Component):
    """Trimming units of several kinds of SPARQ, and behind each of them `lanes` multipliers.

    Members
    -------
    x : In(threads * 8)
    w : In(lanes * threads * 8)
    full, enable : In(1)
    products : Out(variants * lanes * 32)
        Of every variant the products with the weights of every lane, signed: one port, since reading takes time.
    """

    def __init__(self, variants: tuple[SparqConfig, ...], lanes: int):
        self.variants, self.lanes = variants, lanes
        operands = 8 * variants[0].threads
        ports = {"x": In(operands), "w": In(lanes * operands), "full": In(1), "enable": In(1)}
        ports["products"] = Out(len(variants) * lanes * 32)
        super().__init__(ports)

    def elaborate(self, platform):
        m = Module()
        products = []
        for i, variant in enumerate(self.variants):
            kind, named = gates_of(variant), {}
            for part, component in (("edge", kind.edge(variant)), ("multiplier", kind.multiplier(variant))):
                name = f"{part}_{i}"
                named[part] = type(component.__name__, (component,), {"module_name": staticmethod(lambda _, n=name: n)})
            edge = shared(m, f"edge_{i}", named["edge"], variant, platform)
            m.d.comb += [edge.i.eq(self.x), edge.full.eq(self.full)]
            for j in range(self.lanes):
                multiplier = shared(m, f"multiplier_{i}_{j}", named["multiplier"], variant, platform)
                m.d.comb += [multiplier.x.eq(edge.o), multiplier.enable.eq(self.enable)]
                m.d.comb += multiplier.w.eq(self.w.word_select(j, len(self.x)))
                products.append(multiplier.product)
        for i, product in enumerate(products):
            m.d.comb += self.products.word_select(i, 32).eq(product)
        return m


def trimmed_products(variants: tuple[SparqConfig, ...], lanes: int) -> Design:
    """Emit the fixture."""
    return emit(TrimmedProducts(variants, lanes), f"trimmed_{variants[0].target}_{variants[0].threads}", {})
