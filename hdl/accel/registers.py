# SPDX-License-Identifier: Apache-2.0
"""The registers that the host reads: identity, status, counters, 32 bits each."""

from importlib.metadata import version
from typing import Any

from amaranth.hdl import C, Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.array.ports import Counters
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.counters import array_counters
from sysmt.hdl.params.protocol import RUN_WIDTH
from sysmt.hdl.params.registers import FIGURES, STATE, identity, registers

from .ports import Figures


class Registers(wiring.Component):
    """Registers by number, as `sysmt.hdl.params.registers` names them.

    Parameters
    ----------
    config : AccelConfig

    Members
    -------
    number : In(8)
    value : Out(32)
        Zero where there is no register. One cycle after `number`.
    issued, finished : In(16)
    busy, refused : In(1)
        A run is unfinished; the array refused a tile.
    dropped, bad_bytes, overflow : In(1)
        High for one cycle each for a frame, a byte, a requantised value beyond 32 bits: counted here, wrapping.
    figures : In(Figures)
    counters : In(Counters)
        When `config.array.counters`.
    """

    block = "host registers"

    def __init__(self, config: AccelConfig):
        self.config = config
        super().__init__(
            {
                "number": In(8),
                "value": Out(32),
                "issued": In(RUN_WIDTH),
                "finished": In(RUN_WIDTH),
                "busy": In(1),
                "refused": In(1),
                "dropped": In(1),
                "bad_bytes": In(1),
                "overflow": In(1),
                "figures": In(Figures),
            }
            | ({"counters": In(Counters(config.array.pe))} if config.array.counters else {})
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        frames, received, overflows = Signal(16), Signal(16), Signal(16)
        m.d.sync += [
            frames.eq(frames + self.dropped),
            received.eq(received + self.bad_bytes),
            overflows.eq(overflows + self.overflow),
        ]
        words: dict[str, Value] = {name: C(word, 32) for name, word in identity(self.config, version("sysmt")).items()}
        fields: dict[str, dict[str, Value]] = {
            "runs": {"issued": self.issued, "finished": self.finished},
            "status": {"busy": self.busy, "refused": self.refused},
            "errors": {"frames": frames, "bytes": received},
            "overflows": {"overflows": overflows},
        }
        words |= {name: Cat(fields[name][field] for field in STATE[name].fields) for name in fields}
        words |= {name: self.figures[name] for name in FIGURES}
        if self.config.array.counters:
            for name in array_counters(self.config.array.pe):
                words[f"array_{name}_low"] = self.counters[name][:32]
                words[f"array_{name}_high"] = self.counters[name][32:]
        with m.Switch(self.number):
            for number, name in enumerate(registers(self.config.array.pe)):
                if name in words:
                    with m.Case(number):
                        m.d.sync += self.value.eq(words[name])
            with m.Default():
                m.d.sync += self.value.eq(0)
        return m
