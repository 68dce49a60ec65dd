# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.networks`: inputs per second of the golden model on ResNet-8, beside the reference interpreter's.

Needs the model and its test inputs below SYSMT_DATA, and ai-edge-litert (the extra `test`). The contestants take turns
and the median of each counts; the golden model runs with its performance counters, as in `sysmt infer`. The interpreter
gets as many threads as the golden model; its reference kernels, which the golden model equals bit for bit, take one.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import data_folder
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.parallel import workers
from sysmt.sim.nn.batches import run as run_all
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, threaded_plan
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.model import read_model

from .command import run

MODEL, INPUTS = "models/resnet8_cifar10_int8.tflite", "cifar10/test_first500.npz"
COUNT = 128
POLICY = "S+A"


def measure(root: Path, model: str = MODEL, inputs: str = INPUTS, count: int = COUNT, rounds: int = 5) -> list[dict]:
    """Time golden model and interpreter.

    Parameters
    ----------
    root : Path
    model, inputs : str
        Files below it.
    count : int
        Inputs of a turn.
    rounds : int
        Turns per contestant; one more comes first and is not counted.

    Returns
    -------
    list of dict
        Per contestant: `threads` of the array, `what`, `inputs per second` (median), `of the interpreter` (its
        reference kernels).
    """
    for part in (model, inputs):
        if not (root / part).exists():
            raise UserError(f"SYSMT_DATA must name a folder with data/{part}, not {str(root.parent)!r}")
    content = (root / model).read_bytes()
    network = read_model(root / model).network
    values = load(root / inputs, network, count).values
    contestants = [("-", "interpreter, reference kernels", _interpreter(content, values, True))]
    contestants.append(("-", f"interpreter, optimised, {workers()} threads", _interpreter(content, values, False)))
    for threads in (1, 2, 4):
        engine = Golden(PEConfig(threads=threads, policy=POLICY))
        runner = Runner(network=network, engine=engine, plan=threaded_plan(network, threads))
        name = f"golden, {POLICY}" if threads > 1 else "golden"
        contestants.append((threads, name, lambda r=runner: run_all(r, values)))
    times = np.array([[_time(task) for *_, task in contestants] for _ in range(rounds + 1)])[1:]
    rates = [len(values) / median(column) for column in times.T.tolist()]
    return [
        {"threads": threads, "what": what, "inputs per second": rate, "of the interpreter": rate / rates[0]}
        for (threads, what, _), rate in zip(contestants, rates, strict=True)
    ]


def _interpreter(content: bytes, values: np.ndarray, reference: bool) -> Callable[[], None]:
    try:
        from ai_edge_litert import interpreter as litert  # only here: an extra, and slow to load
    except ImportError:
        raise UserError("ai-edge-litert must be installed for the comparison; pip install '.[test]'") from None
    kind = litert.OpResolverType.BUILTIN_REF if reference else litert.OpResolverType.AUTO
    interpreter = litert.Interpreter(model_content=content, experimental_op_resolver_type=kind, num_threads=workers())
    interpreter.allocate_tensors()
    entrance, end = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def task() -> None:
        for one in values:
            interpreter.set_tensor(entrance, one[None])
            interpreter.invoke()
            interpreter.get_tensor(end)

    return task


def _time(task: Callable[[], Any]) -> float:
    start = perf_counter()
    task()
    return perf_counter() - start


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.networks", __doc__.partition("\n")[0], lambda: measure(data_folder() / "data"), argv)


if __name__ == "__main__":
    sys.exit(main())
