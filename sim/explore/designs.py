# SPDX-License-Identifier: Apache-2.0
"""What may stand around an array: nothing, an accelerator with its buffers, an engine with its memories."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.accel import BUFFERS, AccelConfig, accel_config
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.config import Config
from sysmt.hdl.params.engine import SIZES, EngineConfig, engine_config
from sysmt.hdl.params.settings import parse_settings
from sysmt.sim.cost.silicon.components import Built

ARRAY, ACCELERATOR, ENGINE = "array", "accelerator", "engine"
STREAM = "stream"
"""Of an engine: whether its weights are in the board's SDRAM."""
KIB = {"weight_kib": "weight_words", "activation_kib": "activation_words"}
"""Sizes of memories of an engine in KiB, whatever a word has, and the fields that they become."""
DEFAULTS: dict[str, dict[str, tuple[Any, ...]]] = {
    ARRAY: {},
    ACCELERATOR: {},
    ENGINE: {"weight_kib": (16, 32, 64, 128, 256), "activation_kib": (16, 32, 64, 96)},
}
"""What is tried where nothing else is said, by design."""


@dataclass(frozen=True)
class _Kind:
    """A design as settings know it."""

    config: Config | None
    fields: tuple[str, ...]
    own: Mapping[str, type]


_KINDS = {
    ARRAY: _Kind(None, (), {}),
    ACCELERATOR: _Kind(AccelConfig(), BUFFERS, {}),
    ENGINE: _Kind(EngineConfig(), SIZES, {STREAM: bool, **dict.fromkeys(KIB, int)}),
}
DESIGNS = tuple(_KINDS)


def is_around(design: str, name: str) -> bool:
    """Whether a field is of what stands around the array in this design."""
    kind = _KINDS[design]
    return name in kind.fields or name in kind.own


def value_around(design: str, name: str, text: str) -> Any:
    """The value of such a field.

    Raises
    ------
    ConfigError
        It is of another type.
    """
    kind = _KINDS[design]
    if name not in kind.own:
        assert kind.config is not None
        return parse_settings(kind.config, [f"{name}={text}"])[name]
    if kind.own[name] is bool:
        if text not in ("true", "false"):
            raise ConfigError(f"{name} must be true or false, not {text!r}")
        return text == "true"
    if not text.isdecimal() or int(text) < 1:
        raise ConfigError(f"{name} must be a whole number of at least 1, not {text!r}")
    return int(text)


def in_words(array: ArrayConfig, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an engine around `array`, with sizes in words in place of those in KiB.

    Raises
    ------
    UserError
        A size is given in both.
    """
    found = {name: value for name, value in fields.items() if name not in KIB}
    fill = fields.get("fill", engine_config(array).fill)
    bytes_of = {"weight_kib": array.w_lanes * array.pe.products, "activation_kib": fill * array.rows}
    for name, field in KIB.items():
        if name in fields:
            if field in fields:
                raise UserError(f"{name} must be left out where {field} is given: they are one size")
            found[field] = fields[name] * 1024 // bytes_of[name]
    return found


def around(design: str, array: ArrayConfig, fields: Mapping[str, Any]) -> Built:
    """The design around an array, for no board.

    Raises
    ------
    ConfigError
        It cannot be.
    UserError
        Its weights would be in an SDRAM, of which nothing is known without a board.
    """
    if design == ARRAY:
        return array
    if design == ACCELERATOR:
        return accel_config(array, **fields)
    if fields.get(STREAM):
        raise UserError("stream = true must come with a board, whose SDRAM and clock are known: add --board B")
    return engine_config(array, **in_words(array, {name: v for name, v in fields.items() if name != STREAM}))


def sizes(built: Built) -> dict[str, Any]:
    """What a person wants to know of what stands around an array: memories in KiB, blocks, widths."""
    if isinstance(built, AccelConfig):
        return {"depth": built.depth, "result rows": built.result_rows, "memory KiB": built.memory_bits / 8192}
    if isinstance(built, EngineConfig):
        return {
            "fill": built.fill,
            "lanes": built.lanes,
            "patch": built.patch,
            "weights KiB": built.weight_words * built.weight_bytes / 1024,
            "activations KiB": built.activation_words * built.word_bytes / 1024,
            "memory KiB": built.memory_bits / 8192,
            "SDRAM": "no" if built.stream is None else "yes",
        }
    return {}
