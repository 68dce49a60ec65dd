# SPDX-License-Identifier: Apache-2.0
"""What a field of a configuration may hold: refusals in one line each."""

from typing import Any

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import ConfigError


def one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> None:
    """Refuse a value that is not in `allowed` (the type must agree too: True is not 1)."""
    if not any(type(value) is type(a) and value == a for a in allowed):
        raise ConfigError(must_be_one_of(name, value, allowed))


def in_range(name: str, value: Any, low: int, high: int) -> None:
    """Refuse a value that is not an integer within `low..high`."""
    if type(value) is not int or not low <= value <= high:
        raise ConfigError(f"{name} must be an integer from {low} to {high}, not {value!r}")


def power_of_two(name: str, value: Any, low: int, high: int) -> None:
    """Refuse a value that is not a power of two within `low..high`."""
    if type(value) is not int or not low <= value <= high or value & (value - 1):
        raise ConfigError(f"{name} must be a power of two from {low} to {high}, not {value!r}")
