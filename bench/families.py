# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.families --folders FOLDER...`: which int8 models of some folders run, with the reference's bits.

By default the public models and the generated cases below SYSMT_DATA. Every .tflite file gets random inputs, one after
the other so that states are kept, and all outputs are compared; needs ai-edge-litert (the extra `test`), its reference
kernels. Files whose names differ in digits alone are one family, which runs when all of them do. Models with custom
operators, and those that the reference refuses, do not count. What a refused model lacks is in its row.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.sim.nn.model import Model, read_model

from . import record
from .command import run

INPUTS = 4
SEED = 1
DEFAULT = ("models", "cases/tflite")
EQUAL, DIFFERENT = "equal", "DIFFERENT"


def measure(folders: Sequence[Path], inputs: int = INPUTS) -> dict[str, list[dict[str, Any]]]:
    """Run every model of some folders, and of the folders within.

    Parameters
    ----------
    folders : sequence of Path
    inputs : int
        For every model.

    Returns
    -------
    dict of list of dict
        `models`: per file `set`, its folder, `model`, its `family` and the `outcome`: "equal", "DIFFERENT", or why it
        does not run or does not count. `sets`: per folder, `set`, `families` that count, those that `run`, and the
        `share` in %.
    """
    rows: list[dict[str, Any]] = []
    sets: list[dict[str, Any]] = []
    for folder in folders:
        files = sorted(folder.rglob("*.tflite"))
        if not files:
            raise UserError(f"FOLDER must hold .tflite files, not none: {folder}")
        families: dict[str, list[bool]] = {}
        for path in files:
            progress(path.name)
            family = re.sub(r"[\d_.-]+", " ", path.stem).strip() or path.stem
            counts, outcome = _outcome(path, inputs)
            rows.append({"set": folder.name, "model": path.stem, "family": family, "outcome": outcome})
            if counts:
                families.setdefault(family, []).append(outcome == EQUAL)
        running = sum(map(all, families.values()))
        share = 100 * running / max(1, len(families))
        sets.append({"set": folder.name, "families": len(families), "run": running, "share": share})
    return {"models": rows, "sets": sets}


def _outcome(path: Path, count: int) -> tuple[bool, str]:
    """Whether a model counts, and what came of it."""
    try:
        reference = _reference(path)
    except UserError:
        raise
    except (ValueError, RuntimeError) as error:
        custom = "custom" in str(error).lower()
        return False, "custom operators" if custom else f"refused by the reference: {str(error).splitlines()[0]}"
    try:
        model = read_model(path)
    except UserError as error:
        return True, f"refused: {error}"
    values = [_random(tensor.shape, tensor.dtype, count) for tensor in model.inputs]
    wanted = _run(reference, values)
    found = _found(model, values)
    same = len(wanted) == len(found) and all(np.array_equal(a, b.ravel()) for a, b in zip(wanted, found, strict=True))
    return True, EQUAL if same else DIFFERENT


def _reference(path: Path) -> Any:
    try:
        from ai_edge_litert import interpreter as litert  # only here: an extra, and slow to load
    except ImportError:
        raise UserError("ai-edge-litert must be installed for the comparison; pip install '.[test]'") from None
    interpreter = litert.Interpreter(
        model_path=str(path), experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    return interpreter


def _random(shape: tuple[int, ...], dtype: str, count: int) -> np.ndarray:
    """Inputs `[count, *shape]`; plain integers, which may be places, are 0 or 1."""
    random = np.random.default_rng(SEED)
    if dtype == "float32":
        return random.standard_normal((count, *shape)).astype(np.float32)
    low, high = (0, 1) if dtype in ("int32", "int64") else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return random.integers(low, high + 1, (count, *shape)).astype(dtype)


def _run(interpreter: Any, values: list[np.ndarray]) -> list[np.ndarray]:
    """Every output's values of all inputs, one after the other."""
    ends = interpreter.get_output_details()
    found: list[list[np.ndarray]] = [[] for _ in ends]
    for one in zip(*values, strict=True):
        for entrance, value in zip(interpreter.get_input_details(), one, strict=True):
            interpreter.set_tensor(entrance["index"], value)
        interpreter.invoke()
        for outputs, end in zip(found, ends, strict=True):
            outputs.append(interpreter.get_tensor(end["index"]).ravel().copy())
    return [np.concatenate(outputs) for outputs in found]


def _found(model: Model, values: list[np.ndarray]) -> list[np.ndarray]:
    """The same of the model: inputs lie behind each other where the first dimension is 1."""
    return model.run([v[:, 0] if v.shape[1:2] == (1,) else v for v in values])


def markdown() -> str:
    """The recorded shares as a table."""
    lines = ["| models | families | run | share % |", "| --- | ---: | ---: | ---: |"]
    rows: dict[str, dict[str, float]] = {}
    for figure in record.load().get("families", []):
        rows.setdefault(str(figure.key["set"]), {})[figure.column] = figure.value
    for name, row in rows.items():
        lines.append(f"| {name} | {row['families']:.0f} | {row['run']:.0f} | {row['share']:.1f} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""

    def found(folders: list[Path]) -> dict[str, list[dict[str, Any]]]:
        return measure(folders or [data_folder() / "data" / part for part in DEFAULT])

    folders: dict[str, Any] = {"nargs": "+", "type": Path, "default": [], "metavar": "FOLDER"}
    return run("bench.families", __doc__.partition("\n")[0], found, argv, folders=folders)


if __name__ == "__main__":
    sys.exit(main())
