# SPDX-License-Identifier: Apache-2.0
"""What a board is, to the flow."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from amaranth.build import Platform
from amaranth.hdl import Module, Signal, Value

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.accel import BUFFERS, AccelConfig, accel_config, divisor_of
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.config import Config
from sysmt.hdl.params.engine import SIZES, EngineConfig, engine_config
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.sdram import SdramChip, SdramConfig
from sysmt.sim.flow.parts import Part

from .sdram import CAPTURE

PLL = Callable[[Module, Value, float, float], tuple[Signal, Signal]]


@dataclass(frozen=True, kw_only=True)
class BoardDefinition:
    """One board.

    Parameters
    ----------
    name, title : str
        What the command line calls it, and what its makers do.
    platform : type of Platform
        From amaranth-boards: pins, part, default clock. It needs a `uart`; LEDs 0 and 1 show `busy` and `error`.
    part : Part
    clock_hz : float
        Clock of what is on the board.
    pll : callable, optional
        Makes that clock from the board's own; None where it is the board's own.
    baud : int
        Rate of the link: what the board's bridge takes and the clock divides into.
    preset : str
        The array of the accelerator built by default, and of the engine unless that has one of its own.
    fields, buffers : dict
        What suits the part: fields of the array (`dsp`: whether DSP blocks beat LUTs here), and of `AccelConfig`.
    engine : dict
        Sizes of the memories of an engine on this board, fields of `EngineConfig`; empty where none fits.
    engine_preset : str, optional
        The array of the engine where that is another.
    sdram : SdramChip, optional
        What the board has on the pins that its platform calls `sdram`.
    streaming : dict
        What differs from `engine` where weights are in the SDRAM.
    sdram_hz : float, optional
        Clock of what uses the SDRAM, where that is not `clock_hz`.
    loader : tuple of str
        What openFPGALoader calls the board or its cable; empty where it cannot load the board, whose bridge then
        shows a drive that takes a copy of the bitstream.
    """

    name: str
    title: str
    platform: type[Platform]
    part: Part
    clock_hz: float
    baud: int
    preset: str
    loader: tuple[str, ...] = ()
    pll: PLL | None = None
    fields: dict[str, Any] = field(default_factory=dict)
    buffers: dict[str, Any] = field(default_factory=dict)
    engine: dict[str, Any] = field(default_factory=dict)
    engine_preset: str | None = None
    sdram: SdramChip | None = None
    streaming: dict[str, Any] = field(default_factory=dict)
    sdram_hz: float | None = None

    @property
    def suffix(self) -> str:
        """Ending of the name of its bitstream."""
        return self.part.family.suffix

    @property
    def memory(self) -> SdramConfig | None:
        """The controller of the board's SDRAM at its clock there; None where there is none."""
        if self.sdram is None:
            return None
        return SdramConfig(chip=self.sdram, clock_hz=self.sdram_hz or self.clock_hz, capture=CAPTURE)

    def default(self, engine: bool) -> str:
        """The preset of the accelerator's array, or of the engine's."""
        return self.engine_preset or self.preset if engine else self.preset

    @property
    def clocks_hz(self) -> set[float]:
        """Every clock that something on this board has."""
        return {self.clock_hz} if self.memory is None else {self.clock_hz, self.memory.clock_hz}

    def clock_of(self, config: Config) -> float:
        """Hz of a configuration on this board: with an SDRAM, those of its controller."""
        stream = config.stream if isinstance(config, EngineConfig) else None
        return self.clock_hz if stream is None else stream.clock_hz

    def at(self, clock_hz: float) -> "BoardDefinition":
        """This board with one clock for all."""
        return replace(self, clock_hz=clock_hz, sdram_hz=None)

    def accelerator(self, name: str | None = None, **changes: Any) -> AccelConfig:
        """The accelerator around the array preset `name` on this board; `changes` replace fields of the array, or of
        `BUFFERS`."""
        array, own = _split(changes, BUFFERS)
        fields = {"target": "fpga", **self.fields, **array}
        return self.around(preset(name or self.preset, ArrayConfig, **fields), **own)

    def around(self, array: ArrayConfig, **changes: Any) -> AccelConfig:
        """The accelerator around any array on this board; `changes` replace fields of `BUFFERS`."""
        return accel_config(array, **{"divisor": divisor_of(self.clock_hz, self.baud), **self.buffers, **changes})

    def networks(self, name: str | None = None, *, stream: bool = False, **changes: Any) -> EngineConfig:
        """The engine for whole networks around the array preset `name`; `changes` replace fields of the array, or of
        `SIZES`.

        With `stream` its weights are in the board's SDRAM.

        Raises
        ------
        ConfigError
            None fits the board, or it has no SDRAM.
        """
        array, own = _split(changes, SIZES)
        fields = {"target": "fpga", **self.fields, **array}
        return self.engine_around(
            preset(name or self.default(engine=True), ArrayConfig, **fields), stream=stream, **own
        )

    def engine_around(self, array: ArrayConfig, *, stream: bool = False, **changes: Any) -> EngineConfig:
        """As `networks`, around any array; `changes` replace fields of `SIZES`."""
        if not self.engine:
            raise ConfigError(f"board {self.name!r} is too small for an engine: take a larger board")
        sizes, clock_hz = self.engine, self.clock_hz
        if stream:
            if self.memory is None:
                raise ConfigError(
                    f"board {self.name!r} has no SDRAM whose pins are known: take another, or weights on chip"
                )
            sizes, clock_hz = sizes | self.streaming | {"stream": self.memory}, self.memory.clock_hz
        return engine_config(array, **{"divisor": divisor_of(clock_hz, self.baud), **sizes, **changes})


def _split(changes: dict[str, Any], own: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Changes of the array, and of what is around it."""
    return (
        {name: value for name, value in changes.items() if name not in own},
        {name: value for name, value in changes.items() if name in own},
    )
