# SPDX-License-Identifier: Apache-2.0
"""Machines from files, TOML or JSON.

As TOML::

    name = "mine"
    hop = 0.035
    prices = [[512, 0.96], [32768, 9.0], [131072, 20.0]]   # optional: bytes of a memory, energy of an access

    [[levels]]                                             # innermost first
    name = "registers"
    bytes = 512                                            # or words
    [[levels]]
    name = "buffer"
    bytes = 131072
    energy = 20.0                                          # else from `prices`, else the authors' prices of SRAM
    bandwidth = 64                                         # bytes per cycle; without it no limit
    [[levels]]
    name = "DRAM"                                          # the outermost: unbounded
    energy = 200.0

Other fields are those of `Machine` and `Level`; the array comes from the command line.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import ConfigError, UserError

from .machine import Level, Machine
from .machines import ArraySize
from .prices import PriceTable, sram

OWN_FIELDS = ("name", "hop", "array_level", "half_full", "even", "word_bytes", "levels", "prices")
LEVEL_FIELDS = (*(field.name for field in fields(Level)), "bytes")


def read_machine(path: str | Path, size: ArraySize) -> Machine:
    """The machine that a file describes, around an array of a size.

    Raises
    ------
    UserError
        The file cannot be read, has an unknown field or one that cannot be; the file is named.
    """
    facts = _read(Path(path))
    try:
        return _machine(facts, size)
    except UserError as error:
        raise ConfigError(f"machine {str(path)!r}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise UserError(f"machine {str(path)!r} cannot be read: {reason}; give a .toml or .json file") from error
    try:
        if path.suffix == ".json":
            facts = json.loads(text)
        elif sys.version_info >= (3, 11):
            facts = import_module("tomllib").loads(text)
        else:
            raise UserError(f"machine {str(path)!r} must be a .json file below Python 3.11")
    except ValueError as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"machine {str(path)!r} cannot be read: {str(error).splitlines()[0]}; mend it") from error
    if not isinstance(facts, dict):
        raise UserError(f"machine {str(path)!r} must be a table of fields, not {type(facts).__name__}")
    return facts


def _machine(facts: dict[str, Any], size: ArraySize) -> Machine:
    _known(facts, OWN_FIELDS)
    levels = facts.get("levels")
    if not isinstance(levels, list) or not all(isinstance(level, dict) for level in levels):
        raise ConfigError("levels must be a list of tables, [[levels]] in TOML")
    own = {name: value for name, value in facts.items() if name not in ("levels", "prices")}
    tripled = ("word_bytes",)
    own |= {name: _three(own[name]) for name in tripled if name in own}
    price: Callable[[float], float] = _prices(facts["prices"]) if "prices" in facts else sram
    word = own.get("word_bytes", 2)
    return Machine(
        levels=tuple(_level(level, word if isinstance(word, int) else max(word), price) for level in levels),
        rows=size.rows,
        cols=size.cols,
        threads=size.threads,
        **own,
    )


def _prices(points: Any) -> PriceTable:
    if not isinstance(points, list) or not all(
        isinstance(point, list) and len(point) == 2 and all(type(v) in (int, float) for v in point) for point in points
    ):
        raise ConfigError(f"prices must be pairs of bytes and energy, not {points!r}")
    return PriceTable(tuple((float(size), float(energy)) for size, energy in points))


def _level(facts: dict[str, Any], word_bytes: int, price: Callable[[float], float]) -> Level:
    _known(facts, LEVEL_FIELDS)
    name = facts.get("name")
    if not isinstance(name, str) or not name:
        raise ConfigError(f"name of a level must be a text, not {name!r}")
    if "bytes" in facts and "words" in facts:
        raise ConfigError(f"bytes and words of {name} must not both be given: leave one out")
    given = {key: _three(value) for key, value in facts.items() if key != "bytes"}
    if "bytes" in facts:
        if type(facts["bytes"]) is not int or facts["bytes"] < word_bytes:
            raise ConfigError(f"bytes of {name} must be whole and at least one word, not {facts['bytes']!r}")
        given["words"] = facts["bytes"] // word_bytes
    if "energy" not in given:
        words = given.get("words")
        if not isinstance(words, int):
            raise ConfigError(f"energy of {name} must be given: only a level of one size has a price by its size")
        given["energy"] = price(words * word_bytes)
    return Level(**given)


def _three(value: Any) -> Any:
    """A list of three as the tuple that the configurations want."""
    return tuple(value) if isinstance(value, list) else value


def _known(facts: dict[str, Any], names: tuple[str, ...]) -> None:
    for name in facts:
        if name not in names:
            raise ConfigError(must_be_one_of("field", name, names))
