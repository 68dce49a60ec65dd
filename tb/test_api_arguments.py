# SPDX-License-Identifier: Apache-2.0
"""Every argument of every public function, given what it does not take: a line that names it, never a traceback."""

import inspect
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest

import sysmt
from sysmt.base.arguments import checked
from sysmt.base.errors import LONGEST, UserError
from sysmt.sim.cosim import rtl
from sysmt.sim.explore import explore as exploring
from sysmt.sim.flow import synthesis

from .int8_networks import small_content, small_images

WRONG: dict[str, Any] = {
    "0-d": np.array(3),
    "0-d of objects": np.array({}, object),
    "objects": np.array([1, None], object),
    "big-endian": np.array([1, 2], ">i4"),
    "NaN": np.array([np.nan] * 7),
    "floats": np.ones(7),
    "matrix": np.ones((2, 2), int),
    "structure": np.zeros(3, [("a", "i4")]),
    "date": np.datetime64("2020-01-01"),
    "numpy NaN": np.float64("nan"),
    "large": 10**30,
    "many": list(range(100_000)),
    "complex": 1j,
    "bytes": b"abc",
    "set": {1},
    "mapping": {"OX": 2},
    "nested": [[1] * 7],
    "none of them": [],
    "text": "abc",
    "None": None,
    "truth": True,
    "generator": (i for i in (1,)),
}
LOOPS = [1, 1, 4, 4, 4, 4, 1]


class TakenError(Exception):
    """An argument was taken: the work would begin."""


@pytest.fixture(autouse=True)
def nothing_long(monkeypatch, tmp_path):
    """What has passed the checks is not worked on where that takes long."""

    def taken(*_, **__):
        raise TakenError

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rtl, "run", taken)
    monkeypatch.setattr(exploring, "explore", taken)
    monkeypatch.setattr(synthesis.mapping, "to_gates", taken)
    if find_spec("torch") is not None:
        monkeypatch.setattr("sysmt.sim.train.run.train", taken)


@cache
def files() -> Path:
    folder = Path(mkdtemp(prefix="sysmt"))
    (folder / "m.tflite").write_bytes(small_content())
    np.savez(folder / "in.npz", images=small_images(4), labels=np.arange(4))
    return folder


@cache
def functions() -> dict[str, tuple[Any, dict[str, Any]]]:
    """Each function with arguments that it takes."""
    model, inputs = sysmt.read_model(files() / "m.tflite"), files() / "in.npz"
    prepared = {
        "reorder": False,
        "recalibrate": False,
        "keep_weights": False,
        "budget": None,
        "calibration": None,
        "speedup": None,
    }
    return {
        "schedule": (
            sysmt.schedule,
            {"loops": LOOPS, "stride": (1, 1), "capacities": (256, 65536), "energies": (0.96, 20, 200), "hop": 0.035}
            | {"unroll": (), "half_full": False, "array_level": 0, "objective": "energy"},
        ),
        "cycles": (
            sysmt.cycles,
            {"network": "digits", "config": "os4", "method": "rtl", "variant": "baseline", "dataflow": "os"}
            | {"threads": None, "optimise": True, "sparsity": None},
        ),
        "matmul": (
            sysmt.matmul,
            {"x": np.ones((2, 4), np.uint8), "w": np.ones((4, 2), np.int8), "config": "os2", "threads": None}
            | {"zero": 0},
        ),
        "simulate": (
            sysmt.simulate,
            {"x": np.ones((2, 4), np.uint8), "w": np.ones((4, 2), np.int8), "config": "os2", "threads": None}
            | {"simulator": "verilator", "zero": 0, "waves": None},
        ),
        "generate": (sysmt.generate, {"config": "os2", "name": None, "ports": "native"}),
        "estimate": (sysmt.estimate, {"config": "os2", "target": "sky130hd"}),
        "synthesise": (
            sysmt.synthesise,
            {"design": sysmt.generate("os2"), "target": "generic", "clock_mhz": None, "seeds": 5},
        ),
        "read_model": (sysmt.read_model, {"path": files() / "m.tflite", "double_rounding": False}),
        "infer": (
            sysmt.infer,
            {"model": model, "inputs": inputs, "config": "os2", "optimise": True, "batch": 1} | prepared,
        ),
        "compile_model": (
            sysmt.compile_model,
            {"model": model, "config": "engine_sysmt2_8", "threads": None} | prepared,
        ),
        "run_program": (sysmt.run_program, {"program": sysmt.compile_model(model), "inputs": inputs}),
        "read_program": (sysmt.read_program, {"path": files() / "a.sysmt"}),
        "write_program": (sysmt.write_program, {"program": sysmt.compile_model(model), "path": files() / "b.sysmt"}),
        "train": (
            sysmt.train,
            {"recipe": "digits", "folder": None, "data": None, "test": None, "limit": 64, "start": None}
            | {"device": "cpu"},
        ),
        "explore": (
            sysmt.explore,
            {"models": "digits", "values": {"rows": [2]}, "board": None, "liberty": None, "engine": False}
            | {"inputs": (), "calibrations": (), "limit": None, "budget": None, "max_area": None, "fill": None}
            | {"objective": "latency", "points": 2, "processes": 1, "scheduler": None, "store": files() / "store"}
            | {"sparsity": None},
        ),
        "PEConfig": (sysmt.PEConfig, {"kind": "nbsmt"}),
    }


NAMES = (
    *("schedule", "cycles", "matmul", "simulate", "generate", "estimate", "synthesise", "read_model", "infer"),
    *("compile_model", "run_program", "read_program", "write_program", "train", "explore", "PEConfig"),
)
NOT_TRIED = {"style", "changes"}


@pytest.mark.parametrize("name", NAMES)
def test_arguments_of_another_kind_are_one_line(name):
    assert set(NAMES) == set(functions())
    function, taken = functions()[name]
    given = set(inspect.signature(function).parameters) - NOT_TRIED if name != "PEConfig" else {"kind"}
    assert given == set(taken)
    refused = [said(function, taken | {argument: wrong}) for argument, wrong in product(taken, WRONG.values())]
    lines = [line for line in refused if line]
    assert not [line for line in lines if "\n" in line or len(line) > LONGEST]
    assert len(lines) > len(refused) / 2


def said(function: Any, arguments: dict[str, Any]) -> str:
    """What a function refuses arguments with; nothing where it takes them."""
    try:
        function(**arguments)
    except UserError as error:
        return str(error)
    except TakenError:
        pass
    return ""


def test_what_is_annotated_decides():
    @checked
    def some(
        a: int | None = None, b: float = 1, c: "int" = 1, *, d: Mapping[str, int] | None = None, **rest: str
    ) -> tuple[Any, ...]:
        return a, b, c, d, rest

    assert some(np.int64(3), np.float32(2), "x", d={}, e=1) == (3, 2.0, "x", {}, {"e": 1})
    assert some(None, 3) == (None, 3, 1, None, {})
    for arguments, line in (
        ({"a": True}, "a must be an integer or None, not True"),
        ({"a": 1.0}, r"a must be an integer or None, not 1\.0"),
        ({"b": "1"}, "b must be a number, not '1'"),
        ({"d": [1]}, r"d must be a mapping of names to values or None, not \[1\]"),
    ):
        with pytest.raises(UserError, match=f"^{line}$"):
            some(**arguments)


def test_a_message_is_one_line_and_not_endless():
    assert str(UserError("x must be\n  one, not\n 2")) == "x must be one, not 2"
    assert len(str(UserError(f"x must be y, not {'1' * 9999}; mend it"))) < LONGEST
    assert str(UserError(f"x must be y, not {'1' * 9999}; mend it")).endswith("1; mend it")
