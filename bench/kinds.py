# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.kinds`: every kind and policy of PE in one table: area, clock, energy, cycles and top-1.

16x16 arrays on sky130hd; energy on layers of ResNet-8; top-1 and agreement of ResNet-8 and DS-CNN on 500 test inputs
each, all layers but the first, the last and depthwise ones on all threads, nothing prepared or calibrated. SMT-SA is
an array of its own, exact, whose cycles are those of its operands. `sysmt report --pe-kinds` shows what `python -m
bench kinds --record` kept.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.cache import cached_json, digest
from sysmt.base.files import data_folder
from sysmt.cli.output import progress
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.policy import POLICIES
from sysmt.hdl.params.smt_sa import SmtSaConfig
from sysmt.report.kinds import BASE, config_of, gather_kinds
from sysmt.report.kinds_page import kinds_table, networks_table
from sysmt.report.markdown import table
from sysmt.sim.flow import power, workloads
from sysmt.sim.flow.synthesis import CLOCK_MHZ, library_of, map_to, synthesise
from sysmt.sim.nn.batches import run
from sysmt.sim.nn.engines import Golden
from sysmt.sim.nn.forward import Runner, exact_plan, threaded_plan
from sysmt.sim.nn.inputs import Inputs
from sysmt.sim.quant.layer_stats import planned_cycles, with_lowerings
from sysmt.sim.quant.smt_sa import compare

from .accuracy import Subject, models
from .area import cell_library
from .command import run as command

WORKLOAD = "resnet8"
SMT_SA = ((2, 1), (2, 2), (2, 4), (4, 1), (4, 4))
"""Threads and depth of the queues: deeper ones gain a hundredth."""

SIM, ROOMS = Path(__file__).resolve().parent.parent / "sim", ("golden", "nn", "cost", "quant")

ONE_THREAD = ("nbsmt", "threads=1")
QUAD = ("S", "A", "S+A", "S+Aw", "S+aW", "min")
"""Policies of four threads; of two all are measured."""
SPARQ = (
    *(f"window={window} pairs=1" for window in ("2opt", "3opt", "5opt", "6opt", "7opt")),
    "window=3opt pairs=1 trim=raw",
    "window=3opt pairs=1 vsparq=false",
    *(f"window={window} pairs=2" for window in ("2opt", "3opt", "5opt", "6opt", "7opt")),
    "window=3opt pairs=4",
    "window=7opt pairs=4",
)


@dataclass(frozen=True, eq=False)
class Network:
    """A model with its test inputs and the answers and cycles of one thread."""

    subject: Subject
    inputs: Inputs
    answers: np.ndarray


def plans() -> Iterator[tuple[str, str]]:
    """Kind and fields, as `sysmt synth --set` takes them, of everything that is measured; the first is the base."""
    yield ONE_THREAD
    for threads, policies in ((2, tuple(POLICIES)), (4, QUAD)):
        for policy in policies:
            yield "nbsmt", f"threads={threads} policy={policy}"
    for fields in SPARQ:
        yield "sparq", fields


def measure() -> list[dict[str, Any]]:
    """A row per kind and policy; the first is the one-thread array."""
    library = cell_library()
    networks = [_network(subject) for subject in models(data_folder() / "data")]
    jobs = workloads.jobs(WORKLOAD)
    rows = []
    for kind, fields in plans():
        config = config_of(kind, fields)
        progress(f"{kind} {fields}")
        row: dict[str, Any] = {"kind": kind, "with": fields, "products": config.pe.products}
        rows.append(row | _silicon(config, library, jobs) | _all(_judged(network, config) for network in networks))
    return rows + [smt_sa(threads, queue, library, jobs, networks) for threads, queue in SMT_SA]


def _network(subject: Subject) -> Network:
    model = subject.model.optimised()
    tests = [tested for _, tested in subject.folds]
    labels = [tested.labels for tested in tests if tested.labels is not None]
    values = np.concatenate([tested.values for tested in tests])
    inputs = Inputs(values, np.concatenate(labels))
    engine = Golden(config_of(*ONE_THREAD).pe, counting=False)
    exact = run(Runner(network=model.network, engine=engine, plan=exact_plan(model.network)), values)
    return Network(Subject(subject.name, model, subject.folds), inputs, _answers(exact))


def _silicon(config: ArrayConfig | SmtSaConfig, library: str, jobs: list[Any]) -> dict[str, Any]:
    design = design_of(config, BASE)
    found = synthesise(design, library, CLOCK_MHZ, progress=progress)
    mapped = map_to(design, library_of(library), CLOCK_MHZ)
    energy = power.measure(mapped, design.manifest["ports"], config, WORKLOAD, jobs, progress=progress)
    return {"um2": found.area, "MHz": found.fmax_mhz, "fJ/MAC": energy.femtojoules}


@cache
def _arithmetic() -> str:
    """Stands for all that answers and cycles of a model are made of: its sources."""
    paths = sorted(path for room in ROOMS for path in (SIM / room).rglob("*.py"))
    return digest("".join(path.read_text() for path in paths))


def _judged(network: Network, config: ArrayConfig) -> dict[str, Any]:
    """Top-1, agreement and cycles; found again, so that an interrupted run goes on where it was."""
    name, seen = network.subject.name, digest(network.inputs.values.tobytes() + network.answers.tobytes())
    content = [_arithmetic(), name, seen, config.as_dict()]
    found: dict[str, Any] = cached_json("kinds", name, content, lambda: _judge(network, config))
    return found


def _judge(network: Network, config: ArrayConfig) -> dict[str, Any]:
    name, model = network.subject.name, network.subject.model.network
    plan = threaded_plan(model, config.pe.threads)
    engine = Golden(config.pe, counting=False)
    answers = _answers(run(Runner(network=model, engine=engine, plan=plan), network.inputs.values))
    lowered = with_lowerings(model, plan, config)
    cycles = sum(planned_cycles(linear, config, how) for linear, how in zip(model.linears, lowered, strict=True))
    return {
        f"{name} top1": float(np.mean(answers == network.inputs.labels)),
        f"{name} agree": float(np.mean(answers == network.answers)),
        f"{name} cycles": cycles,
    }


def smt_sa(threads: int, queue: int, library: str, jobs: list[Any], networks: list[Network]) -> dict[str, Any]:
    """SMT-SA's row: exact, in cycles of the model, on the inputs that it simulates."""
    size = config_of(*ONE_THREAD)
    config = SmtSaConfig(rows=size.rows, cols=size.cols, threads=threads, queue=queue)
    row: dict[str, Any] = {"kind": "smt-sa", "with": f"threads={threads} queue={queue}", "products": threads}
    progress(f"smt-sa {row['with']}")
    for network in networks:
        name = network.subject.name
        report = compare(network.subject.model, network.inputs[:8], config, (queue,), progress)
        row[f"{name} top1"] = float(np.mean(network.answers == network.inputs.labels))
        row |= {f"{name} agree": 1.0, f"{name} cycles": report["queues"][0]["cycles"]}
    return row | _silicon(config, library, jobs)


def _all(parts: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def _answers(outputs: np.ndarray) -> np.ndarray:
    return outputs.reshape(len(outputs), -1).argmax(axis=1)


def markdown() -> str:
    """The tables of docs/figures.md, from the record."""
    facts = gather_kinds()
    return f"{table(*kinds_table(facts))}\n\n{table(*networks_table(facts))}"


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return command("bench.kinds", __doc__.partition("\n")[0], measure, argv)


if __name__ == "__main__":
    sys.exit(main())
