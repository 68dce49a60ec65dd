# SPDX-License-Identifier: Apache-2.0
"""The registers of an engine behind a host link: identity and state, 32 bits each."""

from importlib.metadata import version
from typing import Any

from amaranth.hdl import C, Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import NUMBERS, STATE, identity
from sysmt.hdl.params.program import EngineError
from sysmt.hdl.params.protocol import RUN_WIDTH


class EngineRegisters(wiring.Component):
    """Registers by number, as `sysmt.hdl.params.engine_protocol` names them.

    Parameters
    ----------
    config : EngineConfig

    Members
    -------
    number : In(8)
    value : Out(32)
        Zero where there is no register. One cycle after `number`.
    issued, finished : In(16)
    busy : In(1)
    error, layer, cycles
        Of the engine.
    dropped, bad_bytes : In(1)
        High for one cycle each for a frame and a byte: counted here, wrapping.
    """

    block = "host registers"

    def __init__(self, config: EngineConfig):
        self.config = config
        super().__init__(
            {
                "number": In(8),
                "value": Out(32),
                "issued": In(RUN_WIDTH),
                "finished": In(RUN_WIDTH),
                "busy": In(1),
                "error": In(EngineError),
                "layer": In(range(config.layers)),
                "cycles": In(32),
                "dropped": In(1),
                "bad_bytes": In(1),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        frames, received = Signal(16), Signal(16)
        m.d.sync += [frames.eq(frames + self.dropped), received.eq(received + self.bad_bytes)]
        words: dict[str, Value] = {name: C(word, 32) for name, word in identity(self.config, version("sysmt")).items()}
        fields: dict[str, dict[str, Value]] = {
            "runs": {"issued": self.issued, "finished": self.finished},
            "state": {"busy": self.busy, "error": Value.cast(self.error), "layer": self.layer},
            "errors": {"frames": frames, "bytes": received},
            "cycles": {"cycles": self.cycles},
        }
        for name, values in fields.items():
            parts = []
            for field, value in values.items():
                padded = Signal(STATE[name].fields[field].width, name=f"{name}_{field}")
                m.d.comb += padded.eq(value)
                parts.append(padded)
            words[name] = Cat(parts)
        with m.Switch(self.number):
            for name, number in NUMBERS.items():
                if name in words:
                    with m.Case(number):
                        m.d.sync += self.value.eq(words[name])
            with m.Default():
                m.d.sync += self.value.eq(0)
        return m
