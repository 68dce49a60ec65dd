# SPDX-License-Identifier: Apache-2.0
"""Mutants of arrays, PEs and what they share that no test can tell from the original, and why."""

COMB = "it is always assigned in `comb`, so that its initial value is never seen"
FLAG = "a flag with room for a bit more, which is never set"

ARRAYS: dict[tuple[str, ...], str] = {
    ("array/counters", "len(real).bit_count() == 1", "len(real).bit_count() != 1"): (
        "which lane is added by itself changes the adders, not the sum"
    ),
    ("common/adders", "target == 'fpga'", "target != 'fpga'"): "the same sums, in gates that suit the other one",
    ("pe/kinds/sparq", "shift > 1", "shift >= 1"): "every kind has a window at bit 0",
    ("pe/sparq_stc", "Signal(name=f'{name}_{pair}')", "Signal(name=f'{name}_{pair}', init=1)"): COMB,
    (
        "pe/nbsmt",
        "Const(0, 1)",
        "Const(1, 0)",
        "first, last = [Const(1, 1), Const(0, 1), Const(1, 0)], [quad, Const(0, 1), several]",
    ): "no bits are 0",
    (
        "array/sequencer",
        "Signal()",
        "Signal(init=1)",
        "running, begun, busy = Signal(), Signal(init=1), Signal()",
    ): "only looked at while a tile is running, and the start of a tile makes it 0",
    **{
        ("pe/smt_sa", f"Signal(name=f'{name}_{{t}}')", f"Signal(name=f'{name}_{{t}}', init=1)"): COMB
        for name in ("may", "takes")
    },
    (
        "pe/smt_sa",
        "Signal()",
        "Signal(init=1)",
        "complete = self._complete = Signal(init=1)  # The sum goes to the drain; the next tile is the PE's.",
    ): COMB,
    ("pe/kinds/sparq", "1", "2", "if shift > 2 and shift - 1 not in config.narrow.shifts:"): (
        "where no window begins at bit 1, those that begin at 2 or above are those at 1 or above: it only saves gates"
    ),
    (
        "pe/sparq",
        "multiply(m, self._q(m, t), self._weight(m, t), width, self.config.target, f'm{t}')",
        "multiply(m, self._q(m, t), self._weight(m, t), width, f'm{t}', self.config.target)",
    ): "it is the multiplier of ASICs alone: what is not fpga is an ASIC's, and only signals are called otherwise",
    ("pe/sparq_edge", "shift + window.bits < len(x)", "shift + window.bits <= len(x)"): (
        "above the highest bit is nothing, which is 0, too"
    ),
    ("pe/sparq_lanes", "1", "2", "for size in range(1, len(values) + 2):"): "a cube per value is always a cover",
    ("pe/element", "0", "1", "product = Mux(self.enable, product, 1)"): (
        "while not enabled no sum is taken: 0 saves the energy of adders that change"
    ),
    (
        "pe/nbsmt",
        "4",
        "5",
        "nibbles.append((swap, wide[0:4].as_signed() if wide.shape().signed else wide[0:5]))",
    ): "what is swapped has four bits: the fifth is 0",
    ("pe/nbsmt", "0", "1", 'w = Signal.like(self.w[1], name=f"{name}_w")'): "weights of all threads are alike",
    (
        "array/counters",
        "add_products(m, terms, len(value), self.config.pe.target, f'{name}_sum')",
        "add_products(m, terms, len(value), f'{name}_sum', self.config.pe.target)",
    ): "the adders are those of ASICs, with the same sum",
    ("array/counters", "1", "2", "if combination[0][1] == len(combination) == 2:"): (
        "the sum of one count is that count: it only saves its adders"
    ),
    ("common/popcount", "self.config.target == 'fpga'", "self.config.target != 'fpga'"): (
        "an ASIC has the adders of FPGAs and they its own, with the same sum"
    ),
    ("pe/sparq", "len(above) == 1", "len(above) != 1"): "the sign is filled in by other gates, to the same bits",
    ("common/delay_line", "cycles == 1", "cycles != 1"): "registers have other names",
    ("pe/sparq_stc", "0", "1", "chosen: Value = Const(0, len(values[1]))"): "all values have as many bits",
    (
        "common/adders",
        "self._weighted(value[-1] & on, len(value) - 1 + shift, True, ARRIVAL_SUM)",
        "self._weighted(value[-1] & on, len(value) - 1 + shift, ARRIVAL_SUM, True)",
    ): "the time at which a bit arrives only orders the adders",
    (
        "pe/nbsmt",
        "2",
        "3",
        'use, alone = ([Signal(name=f"{name}_{t}") for t in range(3)] for name in ("use", "alone"))',
    ): "a signal that nobody looks at",
    (
        "pe/nbsmt",
        "4",
        "5",
        "Mux(swap, wide[0:5].as_signed() if wide.shape().signed else wide[0:4], nibble),",
    ): "what is swapped fits four bits: the fifth is their sign",
    ("array/sequencer", "0", "1", "finishing = self.step & (left < 1)"): (
        "what it sets is set again with the last step, and looked at after it"
    ),
    ("pe/sparq_edge", "on & self.i[t][:shift].any()", "(on | self.i[t][:shift].any())"): (
        "it takes both lanes where it would lose nothing in one, too: in both it is exact as well"
    ),
    ("pe/sparq_stc", "pair + self.config.pairs", "(pair - self.config.pairs)"): (
        "there are two weights per pair: the same place, counted from the end"
    ),
    ("pe/sparq_stc", "i < GROUP - 1", "i <= GROUP - 1"): "behind the last of a group is nothing, which is 0, too",
    ("pe/smt_sa", "1", "2", 'super().__init__({"sum": signed(config.acc_width), "last": 1})'): FLAG,
    (
        "common/clock_gate",
        "True",
        "False",
        'domain = ClockDomain(f"{name}_gated", reset_less=True, local=False)',
    ): "nothing above has a domain of that name: the Verilog is the same",
    ("pe/smt_sa", "-1", "1", "i.ready.eq(~link.level[1]),"): "a link has two places: the last is place 1",
}
