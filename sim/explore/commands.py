# SPDX-License-Identifier: Apache-2.0
"""The commands that make an explored configuration."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sysmt.base.errors import ConfigError
from sysmt.hdl.params.accel import BUFFERS, AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.config import Config
from sysmt.hdl.params.engine import SIZES, EngineConfig
from sysmt.hdl.params.pe import DEFAULT_KIND
from sysmt.hdl.params.presets import preset
from sysmt.sim.cost.silicon import Built

from .silicon import Target

BASE = "os8"
"""The preset that commands start from."""


def command_of(built: Built, target: Target) -> str:
    """The command that makes the Verilog of a design, or on a board its bitstream."""
    board = None if target.style == "asic" else target.name
    if board is None:
        prefix = {AccelConfig: "accel_", EngineConfig: "engine_"}.get(type(built), "")
        head = [f"sysmt generate {prefix}{BASE}"]
        changes = _changes(built, preset(f"{prefix}{BASE}"), "" if isinstance(built, ArrayConfig) else "array.")
    else:
        head, changes = _on_board(built, board)
    return _with_settings(head, changes)


def compile_of(built: EngineConfig, target: Target, model: str) -> str:
    """The command that compiles a model for an engine."""
    head = ["sysmt compile", model]
    if target.style == "asic":
        return _with_settings([*head, f"--preset engine_{BASE}"], _changes(built, preset(f"engine_{BASE}"), "array."))
    from sysmt.boards.definitions import board as board_of

    start = board_of(target.name).networks(stream=built.stream is not None)
    where = ["--board", target.name] + ["--stream"] * (built.stream is not None)
    return _with_settings([*head, *where], _changes(built, start, "array."))


def _with_settings(head: Sequence[str], changes: Mapping[str, Any]) -> str:
    texts = [f"{name}={str(value).lower() if isinstance(value, bool) else value}" for name, value in changes.items()]
    return " ".join([*head, *(f"--set {text}" for text in texts)])


def _changes(built: Built, base: Config, nested: str) -> dict[str, Any]:
    """Fields in which a design differs from another one, those of its array behind `nested`."""
    array = built if isinstance(built, ArrayConfig) else built.array
    start = base.with_fields(**{f"{nested}kind": array.pe.kind}).as_dict()
    changes = _of_array(array, start if isinstance(built, ArrayConfig) else start["array"], nested)
    if isinstance(built, ArrayConfig):
        return changes
    own = {name: value for name, value in built.as_dict().items() if name not in ("array", "stream")}
    return changes | {name: value for name, value in own.items() if start[name] != value}


def _of_array(array: ArrayConfig, before: dict[str, Any], nested: str = "") -> dict[str, Any]:
    changes = {} if array.pe.kind == DEFAULT_KIND else {f"{nested}kind": array.pe.kind}
    # Pairs and threads of a PE follow from each other.
    return changes | {
        f"{nested}{name}": value
        for name, value in array.as_dict().items()
        if before.get(name) != value and name not in ("kind", "pairs")
    }


def _on_board(built: Built, board: str) -> tuple[list[str], dict[str, Any]]:
    """The command for a board without its settings, and these."""
    assert not isinstance(built, ArrayConfig)
    changes = _of_array(built.array, _start(board, built.array.pe.kind))
    head = [f"sysmt build {board}"]
    if isinstance(built, EngineConfig):
        head += ["--engine"] + ["--stream"] * (built.stream is not None)
    names = SIZES if isinstance(built, EngineConfig) else BUFFERS
    plain = _plain(built, board)
    own = {name: getattr(built, name) for name in names}
    changes |= {name: value for name, value in own.items() if plain.get(name) != value}
    return [*head, f"--preset {BASE}"], changes


def _plain(built: AccelConfig | EngineConfig, board: str) -> dict[str, Any]:
    """The fields of what the board builds around the same array when nothing else is said; empty where it cannot."""
    from sysmt.boards.definitions import board as board_of

    chosen = board_of(board)
    try:
        if isinstance(built, EngineConfig):
            return chosen.engine_around(built.array, stream=built.stream is not None).as_dict()
        return chosen.around(built.array).as_dict()
    except ConfigError:
        return {}


@lru_cache
def _start(board: str, kind: str) -> dict[str, Any]:
    """The fields of the array that a command for a board starts from, with PEs of a kind."""
    from sysmt.boards.definitions import board as board_of

    return board_of(board).accelerator(BASE).array.with_fields(kind=kind).as_dict()
