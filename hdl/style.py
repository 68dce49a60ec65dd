# SPDX-License-Identifier: Apache-2.0
"""How a design is written, where flows differ: initial values, the kind of reset, and where memories are."""

from dataclasses import dataclass

from amaranth.hdl import ClockDomain

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.styles import CHOICES


@dataclass(frozen=True, kw_only=True)
class Style:
    """What of a design is for the flow it goes into. Its function, clock for clock, is the same in all styles.

    Parameters
    ----------
    initial_values : "keep" or "none"
        Registers and memories have the values that FPGAs load, or none, for standard cells: one clock of reset is
        all that any design needs.
    reset : "sync" or "async"
        Registers that are reset are so at the edge of the clock, or at once.
    memories : "inline" or "separate"
        Memories are inside the modules that use them, or each shape of them is a module, in a file of its own, that a
        macro can stand in for.

    Raises
    ------
    ConfigError
        A value is none of those.
    """

    initial_values: str = "keep"
    reset: str = "sync"
    memories: str = "inline"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise ConfigError(f"{name} must be {' or '.join(choices)}, not {value!r}")


PLAIN = Style()
"""With initial values, reset at the edge, everything in one file."""


def clock_domain(platform: object, name: str = "sync") -> ClockDomain:
    """A clock domain of a component that makes its own, with the reset of the style that it is emitted in."""
    style = getattr(platform, "style", None)
    return ClockDomain(name, async_reset=isinstance(style, Style) and style.reset == "async")
