# SPDX-License-Identifier: Apache-2.0
"""Runs zigzag-dse in its own environment: a layer and a machine as JSON in, its best mapping and given orders out.

Called by `bench.second_opinion` with the Python of that environment; imports nothing of this project.
"""

import contextlib
import json
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DIMS = {"FX": "FX", "FY": "FY", "OX": "OX", "OY": "OY", "OC": "K", "IC": "C", "ON": "B"}
LOOPS = {theirs: ours for ours, theirs in DIMS.items()}
BITS = 16


def memory(words: int, energy: float, served: list[str]) -> dict[str, Any]:
    """A memory that all tensors share, an access per word, reads and writes at the same price."""
    links = [f"{tensor}, {way}" for tensor in ("I1", "I2") for way in ("fh", "tl")]
    links += [f"O, {way}" for way in ("fh", "tl", "fl", "th")]
    port = {
        "name": "rw_port_1",
        "type": "read_write",
        "bandwidth_min": BITS,
        "bandwidth_max": BITS,
        "allocation": links,
    }
    return {
        "size": words * BITS,
        "r_cost": energy,
        "w_cost": energy,
        "area": 0,
        "latency": 1,
        "operands": ["I1", "I2", "O"],
        "ports": [port],
        "served_dimensions": served,
    }


def files(problem: dict[str, Any], order: list[list[Any]]) -> dict[str, Any]:
    """Accelerator, workload and mapping as zigzag-dse reads them; with an order of loops, innermost first, or none."""
    inner, outer = problem["capacities"]
    e0, e1, e2 = problem["energies"]
    (down, rows), (across, cols) = problem["unroll"].items()
    accelerator = {
        "name": "machine",
        "memories": {
            "registers": memory(inner, e0, []),
            "buffer": memory(outer, e1, ["D1", "D2"]),
            "dram": memory(1 << 40, e2, ["D1", "D2"]),
        },
        "operational_array": {"unit_energy": 0, "unit_area": 0, "dimensions": ["D1", "D2"], "sizes": [rows, cols]},
    }
    size = problem["loops"]
    layer = {
        "id": 0,
        "name": "layer",
        "operator_type": "Conv",
        "equation": "O[b][k][oy][ox]+=W[k][c][fy][fx]*I[b][c][iy][ix]",
        "dimension_relations": ["ix=1*ox+1*fx", "iy=1*oy+1*fy"],
        "loop_dims": [DIMS[loop] for loop in size],
        "loop_sizes": list(size.values()),
        "operand_precision": {"W": BITS, "I": BITS, "O": BITS, "O_final": BITS},
        "operand_source": {"I": 0, "W": 0},
    }
    mapping = {
        "name": "default",
        "spatial_mapping": {"D1": [f"{DIMS[down]}, {rows}"], "D2": [f"{DIMS[across]}, {cols}"]},
        "memory_operand_links": {"O": "O", "W": "I2", "I": "I1"},
        **({"temporal_ordering": [[DIMS[loop], factor] for loop, factor in order]} if order else {}),
    }
    return {"accelerator": accelerator, "workload": [layer], "mapping": [mapping]}


def run(problem: dict[str, Any], order: list[list[Any]]) -> dict[str, Any]:
    """Energy of the best mapping, or of that in an order, its loops per level, and the CPU time it took."""
    import yaml
    from zigzag.api import get_hardware_performance_zigzag

    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for name, facts in files(problem, order).items():
            paths[name] = str(Path(folder) / f"{name}.yaml")
            # Levels are read in the order of the file.
            Path(paths[name]).write_text(yaml.safe_dump(facts, sort_keys=False))
        start = time.process_time()
        energy, _, found = get_hardware_performance_zigzag(
            **paths,
            opt="energy",
            temporal_mapping_type="even",
            dump_folder=folder,
            loma_show_progress_bar=False,
        )
        seconds = time.process_time() - start
    mapping = found[0][1][0][0].temporal_mapping.mapping_dic_origin
    levels = [[(LOOPS[str(dim)], int(factor)) for dim, factor in level] for level in next(iter(mapping.values()))]
    return {"energy": energy, "seconds": seconds, "levels": levels}


def main() -> None:
    """Read the problem, run, write: the best mapping, and every order that is asked for."""
    problem = json.load(sys.stdin)
    logging.disable(logging.WARNING)
    with contextlib.redirect_stdout(sys.stderr):
        best = run(problem, [])
        orders = [run(problem, order) for order in problem["orders"]]
    print(json.dumps({"best": best, "orders": orders}))


if __name__ == "__main__":
    main()
