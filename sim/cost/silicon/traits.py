# SPDX-License-Identifier: Apache-2.0
"""What speed depends on: products per cycle, and what the longest path of a design goes through."""

from math import log2

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig

from .components import Built, Counts, rough_luts


def throughput(config: ArrayConfig, k: int) -> float:
    """Products per cycle of full tiles of a reduction of `k`, back to back."""
    return config.rows * config.cols * k / config.tile_cycles(config.pe.steps(k))


def clock_traits(config: Built, counts: Counts) -> dict[str, float]:
    """What the longest path depends on, each of them by a factor: numbers of about 1. `counts` are its components."""
    array = config if isinstance(config, ArrayConfig) else config.array
    pe = array.pe
    found = {
        "one": 1.0,
        "threads": log2(pe.threads) / 2,
        "sparq": float(isinstance(pe, SparqConfig)),
        "stc": float(isinstance(pe, SparqConfig) and pe.stc),
        "in_place": float(array.drain == "in_place"),
        "counters": float(array.counters),
        # Wires are longer in what is larger.
        "size": (log2(rough_luts(counts)) - 12) / 4,
        "cluster": log2(array.cluster) / 2,
        "fuse": float(array.fuse),
        "gating": float(pe.clock_gating),
        "dsp": float(pe.dsp),
        **{f"pipeline_{stages}": float(pe.pipeline >= stages) for stages in (1, 2, 3)},
        "accelerator": float(isinstance(config, AccelConfig)),
        "requantizer": float(isinstance(config, AccelConfig) and config.requantize),
        "engine": float(isinstance(config, EngineConfig)),
        "sdram": float(isinstance(config, EngineConfig) and config.stream is not None),
        "lanes": log2(config.lanes) / 4 if isinstance(config, EngineConfig) else 0.0,
    }
    rules = pe.rules if isinstance(pe, NbSmtConfig) and pe.threads > 1 else None
    return found | {
        "detects_zeros": float(rules is not None and rules.detects_zeros),
        "checks_width": float(rules is not None and rules.checks_width),
        "swaps": float(rules is not None and rules.swaps),
        "reduces_w": float(rules is not None and rules.reduced_operand == "w"),
    }
