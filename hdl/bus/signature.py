# SPDX-License-Identifier: Apache-2.0
"""What the signatures of buses have in common: they are told apart by their parameters, and print as they are made."""

from typing import Any

from amaranth.lib import wiring

from sysmt.base.errors import ConfigError


class BusSignature(wiring.Signature):
    """A signature that follows from named parameters.

    Two are equal when they are of one class and have equal parameters; `repr` is the call that makes it again.

    Parameters
    ----------
    members : dict of name to Member
        From the side of the manager (master).
    parameters : values by name
        What `members` follow from; they become attributes.
    """

    def __init__(self, members: dict[str, wiring.Member], **parameters: Any):
        self._parameters = parameters
        for name, value in parameters.items():
            setattr(self, name, value)
        super().__init__(members)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, BusSignature):
            return NotImplemented
        return type(self) is type(other) and self._parameters == other._parameters

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._parameters.items())})"


def width(name: str, value: int, allowed: tuple[int, ...]) -> int:
    """The width itself, refused when the bus does not have it."""
    if value not in allowed:
        raise ConfigError(f"{name} must be one of {', '.join(map(str, allowed))}, not {value!r}")
    return value


def positive(name: str, value: int, most: int) -> int:
    """The width itself, refused when it is not from 1 to `most`."""
    if type(value) is not int or not 1 <= value <= most:
        raise ConfigError(f"{name} must be an integer from 1 to {most}, not {value!r}")
    return value
