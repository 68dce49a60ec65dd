# SPDX-License-Identifier: Apache-2.0
"""What a configuration is made of, in numbers of parts whose sizes do not depend on it: bits of registers, multipliers.

The counts follow from the structure of the RTL (`sysmt.hdl.array`, `sysmt.hdl.pe`, `sysmt.hdl.engine`). The sizes are
rough, by counting gates on paper: the fit to what was synthesised says what they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sysmt.base.errors import UserError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import PLACE_WIDTH, SparqConfig, lane_codes
from sysmt.hdl.params.pe import W_WIDTH, X_WIDTH

from .counters import counter_components

Built = ArrayConfig | AccelConfig | EngineConfig
Counts = dict[str, float]


@dataclass(frozen=True)
class Component:
    """One kind of part.

    Members
    -------
    block : str
        Of `sysmt.hdl.params.blocks.BLOCKS`.
    gates, flip_flops, luts : float
        Rough size of one: in NAND2 equivalents with its registers, in registers, in LUTs of 4 inputs.
    """

    block: str
    gates: float
    flip_flops: float
    luts: float


PLACED = "placed_lut"
COMPONENTS: dict[str, Component] = {
    # The processing elements.
    "operand_bit": Component("registers", 8, 1, 0.1),
    "product_bit": Component("registers", 8, 1, 0.2),
    "stage_bit": Component("multiplier", 8, 1, 0.2),
    "fused_bit": Component("registers", 2, 0.1, 0.5),
    "sum_bit": Component("accumulator", 12, 1, 1),
    "in_place_bit": Component("accumulator", 3, 0.02, 1),
    "gated_bit": Component("accumulator", 1, 0.02, 0.1),
    "drain_bit": Component("drain", 9, 1, 1),
    "place": Component("control", 12, 0.5, 4),
    "product_1": Component("multiplier", 420, 0.5, 110),
    "product_2": Component("multiplier", 620, 0.5, 180),
    "product_4": Component("multiplier", 900, 0.5, 350),
    "in_dsp": Component("multiplier", 20, 0.5, 30),
    "detects_zeros": Component("multiplier", 14, 0.1, 3),
    "checks_width": Component("multiplier", 30, 0.1, 6),
    "swaps": Component("multiplier", 40, 0.1, 12),
    "reduces_w": Component("multiplier", 25, 0.1, 5),
    "rounds": Component("multiplier", 12, 0.1, 3),
    "lane_bit": Component("multiplier", 7, 0.01, 1.2),
    "lane_shift": Component("multiplier", 1.5, 0.01, 0.7),
    "lane": Component("multiplier", 40, 0.1, 15),
    "chosen_bit": Component("multiplier", 8, 0.01, 2.5),
    # Around them.
    "skew_bit": Component("skew", 7, 1, 0.1),
    "align_bit": Component("drain", 7, 1, 0.1),
    "exit_bit": Component("drain", 10, 1, 0.5),
    "entry_bit": Component("control", 7, 1, 0.3),
    "tap_bit": Component("skew", 10, 1, 1),
    "trimmed": Component("edge", 100, 0.5, 40),
    "trimmed_shift": Component("edge", 12, 0.1, 5),
    "selected": Component("edge", 110, 0.1, 45),
    "row": Component("control", 25, 1, 4),
    "column": Component("control", 8, 0.3, 2),
    "array": Component("control", 700, 110, 200),
    # The performance counters.
    "counter_bit": Component("counters", 12, 1, 1),
    "counted_operand": Component("counters", 12, 0.8, 3),
    "counted_fact": Component("counters", 9, 0.4, 3),
    "counted_product": Component("counters", 10, 0.3, 3),
    # The accelerator.
    "accelerator": Component("link", 9000, 1100, 1700),
    "requantizer": Component("requantizer", 9000, 800, 1300),
    "host_byte": Component("buffers", 60, 8, 12),
    "result_bit": Component("buffers", 6, 0.5, 1),
    # The engine: around its array and link all is counted as its control.
    "engine": Component("control", 25000, 2500, 4000),
    "scaler": Component("control", 5000, 450, 700),
    "adder": Component("control", 5000, 450, 700),
    "word_byte": Component("control", 300, 30, 60),
    "step_byte": Component("control", 40, 6, 10),
    "transposed_byte": Component("control", 60, 8, 10),
    "queued_bit": Component("control", 6, 0.5, 0.5),
    "patched_byte": Component("control", 60, 8, 10),
    "patches": Component("control", 2500, 150, 400),
    "sdram": Component("control", 9000, 800, 1400),
    "streamed_byte": Component("control", 60, 8, 12),
    # LUTs that only lead into carry chains and out of them.
    PLACED: Component("other", 0.001, 0.0001, 0.08),
}
"""Every component; what has no block of its own in an accelerator or an engine is counted where most of it is."""


def rough_luts(counts: Counts) -> float:
    """By the rough sizes, in LUTs: how large something is, whatever it is built in."""
    return sum(COMPONENTS[name].luts * number for name, number in counts.items() if name != PLACED)


def components(config: Built, placed: bool = False) -> Counts:
    """Numbers of every component; those that it does not have are left out. `placed`: on an FPGA, not a netlist."""
    if isinstance(config, AccelConfig):
        found = array_components(config.array) | _accelerator(config)
    elif isinstance(config, EngineConfig):
        found = array_components(config.array) | _engine(config)
    else:
        found = array_components(config)
    if placed:
        found[PLACED] = rough_luts(found)
    return found


def array_components(config: ArrayConfig) -> Counts:
    """Those of an array.

    Raises
    ------
    UserError
        Of its PEs none like them was synthesised.
    """
    pe, rows, cols = config.pe, config.rows, config.cols
    if getattr(pe, "signed_window", False):
        raise UserError("signed_window = True has no synthesised configurations to predict from: use `sysmt synth`")
    places = rows * cols
    x_bits, w_bits, entered = passed_bits(config), passed_weight_bits(config), W_WIDTH * pe.products
    control = 2 + pe.mode_width
    down, across = config.stages_down, config.stages_across
    result = cols * pe.acc_width + 1
    registered = config.registered
    found: Counts = {
        "operand_bit": rows * across * (x_bits + control) + cols * down * w_bits,
        "product_bit": places * (pe.pipeline > 0) * (pe.product_width + 2 * pe.pipeline),
        "stage_bit": places * _stage_bits(config),
        "sum_bit": places * pe.acc_width,
        "in_place_bit": places * pe.acc_width * (config.drain == "in_place"),
        "gated_bit": places * pe.acc_width * pe.clock_gating,
        "drain_bit": places * pe.acc_width * (config.drain == "overlap"),
        "place": places,
        "skew_bit": _delays(rows, config.cluster) * x_bits + _delays(config.w_lanes, config.cluster) * w_bits,
        "align_bit": sum(across - 1 - c // config.cluster for c in range(cols)) * pe.acc_width,
        "exit_bit": 4 * result * registered,
        "entry_bit": registered * (rows * X_WIDTH * pe.products + config.w_lanes * entered),
        "row": rows,
        "column": cols,
        "array": 1,
        **_multiplier(config),
    }
    if config.fuse:
        found |= {"fused_bit": places * w_bits, "tap_bit": rows * w_bits}
    if isinstance(pe, SparqConfig):
        shifts = len(pe.narrow.shifts) + (0 if pe.stc else len(pe.narrow.alone.shifts))
        found |= {"trimmed": rows * pe.products, "trimmed_shift": rows * pe.products * shifts}
        found["selected"] = config.w_lanes * pe.threads * pe.stc
    if config.counters:
        found |= counter_components(config)
    return {name: number for name, number in found.items() if number}


def passed_bits(config: ArrayConfig) -> int:
    """Bits of activations that a PE gets and passes on in a step."""
    pe = config.pe
    if isinstance(pe, SparqConfig):
        return pe.products * (_candidate_bits(pe) if pe.stc else pe.narrow.bits + _code_bits(lane_codes(pe.narrow)))
    return X_WIDTH * pe.products


def passed_weight_bits(config: ArrayConfig) -> int:
    """Bits of weights that a PE gets and passes on in a step."""
    pe = config.pe
    if isinstance(pe, SparqConfig) and pe.stc:
        return pe.threads * (W_WIDTH + PLACE_WIDTH)
    return W_WIDTH * pe.products


def _candidate_bits(pe: SparqConfig) -> int:
    """Of an activation that PEs may choose: all of it, its window and the window's shift."""
    return X_WIDTH + pe.narrow.bits + _code_bits(pe.narrow.shifts)


def _code_bits(codes: Sequence[object]) -> int:
    return (len(codes) - 1).bit_length()


def _delays(lanes: int, cluster: int) -> int:
    """Registers of delay lines of 0, 1, 2, ... stages, one stage more per cluster."""
    return sum(lane // cluster for lane in range(lanes))


def _multiplications(config: ArrayConfig) -> tuple[int, int]:
    """Of a PE for FPGAs: how many, and bits of both operands of one."""
    pe = config.pe
    if isinstance(pe, SparqConfig):
        return pe.threads, pe.narrow.bits + W_WIDTH
    if pe.threads == 1:
        return (1, X_WIDTH + W_WIDTH) if pe.dsp else (2, X_WIDTH // 2 + W_WIDTH)
    return pe.threads, (X_WIDTH // 2 + W_WIDTH if pe.threads == 2 else X_WIDTH)


def _stage_bits(config: ArrayConfig) -> int:
    """Registers of the further stages in a multiplier for FPGAs: in front of the multiplications, and behind."""
    pe = config.pe
    number, width = _multiplications(config)
    if isinstance(pe, NbSmtConfig) and pe.threads == 1 and not pe.dsp:
        return number * width * max(pe.pipeline - 1, 0)
    return number * (width * (pe.pipeline >= 2) + (width + 1) * (pe.pipeline == 3))


def _multiplier(config: ArrayConfig) -> Counts:
    pe, places = config.pe, config.rows * config.cols
    number, _ = _multiplications(config)
    found: Counts = {"in_dsp": places * number * pe.dsp}
    if isinstance(pe, SparqConfig):
        lanes = places * pe.threads
        found |= {
            "lane": lanes,
            "lane_bit": lanes * pe.narrow.bits * W_WIDTH * (not pe.dsp),
            "lane_shift": lanes * (pe.narrow.bits + W_WIDTH) * len({shift for shift, _ in lane_codes(pe.narrow)}),
            "chosen_bit": lanes * _candidate_bits(pe) * pe.stc,
        }
    elif isinstance(pe, NbSmtConfig):
        found[f"product_{pe.threads}"] = places * (not pe.dsp)
        if pe.threads > 1:
            shares = places * pe.threads
            rules = pe.rules
            found |= {
                "detects_zeros": shares * rules.detects_zeros,
                "checks_width": shares * rules.checks_width,
                "swaps": shares * rules.swaps,
                "reduces_w": shares * (rules.reduced_operand == "w"),
                "rounds": shares * (pe.rounding == "nearest"),
            }
    return found


def _accelerator(config: AccelConfig) -> Counts:
    found: Counts = {
        "accelerator": 1,
        "host_byte": config.x_bytes + config.w_bytes,
        "result_bit": config.result_bits,
        "requantizer": config.requantize,
    }
    return {name: number for name, number in found.items() if number}


def _engine(config: EngineConfig) -> Counts:
    array = config.array
    found: Counts = {
        "engine": 1,
        "scaler": config.lanes,
        "adder": config.add_lanes,
        "word_byte": config.word_bytes,
        "step_byte": config.weight_bytes + array.rows * array.pe.products,
        "transposed_byte": config.fill * array.rows * array.rows,
        "queued_bit": array.cols * array.pe.acc_width,
    }
    if config.patch > 1:
        found |= {"patches": 1, "patched_byte": config.lanes * config.patch}
    if config.stream is not None:
        found |= {"sdram": 1, "streamed_byte": config.weight_bytes}
    return found
