# SPDX-License-Identifier: Apache-2.0
"""Machines by name: those of Yang et al. (ASPLOS 2020), and this project's accelerator."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files

from sysmt.base.choice import choose, must_be_one_of
from sysmt.base.errors import ConfigError
from sysmt.hdl.params.accel import AccelConfig, accel_config
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig

from .machine import Level, Machine
from .prices import DRAM, register_file, sram

BITS_PER_BYTE_ON_UART = 10


@dataclass(frozen=True)
class ArraySize:
    """Processing elements of a machine, and threads of each."""

    rows: int
    cols: int
    threads: int = 1


def published(name: str, size: ArraySize, *memories: tuple[int, float], dram: float = DRAM, inner: int = 0) -> Machine:
    """A machine of the authors: (bytes, energy) of every level, 16-bit words, the array at level `inner`."""
    if size.threads != 1:
        raise ConfigError(f"threads must be 1 on machine {name}, not {size.threads}; machine accelerator has threads")
    names = ["registers", *(["scratchpad"] if inner else []), "buffer"]
    levels = [
        Level(name=level, words=bytes_ // 2, energy=energy)
        for level, (bytes_, energy) in zip(names, memories, strict=True)
    ]
    return Machine(
        name=name, levels=(*levels, Level(name="DRAM", energy=dram)), array_level=inner, rows=size.rows, cols=size.cols
    )


def accelerator(size: ArraySize) -> Machine:
    """The accelerator of this project around an array of `size`, with its default memories and link."""
    return machine_of_accelerator(
        accel_config(ArrayConfig(rows=size.rows, cols=size.cols, pe=PEConfig(threads=size.threads)))
    )


def machine_of_accelerator(config: AccelConfig) -> Machine:
    """An accelerator as a machine: registers of a PE, one half of every memory beside the array, host link.

    Its layers are matrix products as the host sends them: M is OX, N is OC, K is IC. A PE holds one activation, one
    weight and one sum; its energy per multiply-accumulate is that of the silicon flow (`python -m bench.pe_energy`). An
    access to a memory costs what the authors' memory of this size does, by the bits of the word; the link what DRAM
    does.
    """
    array, tensor_bytes = config.array, (1, 4, 1)
    words = (
        config.depth * config.x_bytes,
        config.result_rows * array.cols,
        config.depth * config.w_bytes,
    )
    memories = tuple(sram(n * each) * each / 2 for n, each in zip(words, tensor_bytes, strict=True))
    link = tuple(DRAM * each / 2 for each in tensor_bytes)
    return Machine(
        name="accelerator",
        levels=(
            Level(name="PE", words=(1, 1, 1), energy=(pe_energy(array.pe.threads), 0.0, 0.0)),
            Level(name="memories", words=words, energy=(memories[0], memories[1], memories[2])),
            Level(
                name="link", energy=(link[0], link[1], link[2]), bandwidth=1 / (BITS_PER_BYTE_ON_UART * config.divisor)
            ),
        ),
        hop=0.0,
        rows=array.rows,
        cols=array.cols,
        threads=array.pe.threads,
        word_bytes=tensor_bytes,
    )


IMAGE = 1 << 40
"""Words of a memory that holds images whole: what a product reads of one is more than it has."""


def machine_of_engine(config: EngineConfig) -> Machine:
    """An engine as a machine: registers of a PE, one half of the operand buffer and a tile of sums, memories, SDRAM.

    Its layers are matrix products of pixels (OX), output channels (OC) and taps (IC), in whole tiles. Weights come from
    their memory a step at a time and are held nowhere before the array; with an SDRAM one half of their memory is a
    buffer. Activations are held whole, and sums never leave the array but as bytes. Prices are those of
    `machine_of_accelerator`.
    """
    array, pe = config.array, config.array.pe
    buffer = config.x_depth * array.rows * pe.products
    activations = sram(config.activation_words * config.word_bytes) / 2
    weights = config.weight_words * config.weight_bytes
    outer = [Level(name="memories", energy=(activations, activations, sram(weights) / 2))]
    if config.stream is not None:
        beat = config.stream.chip.width / 8
        outer = [
            replace(outer[0], words=(IMAGE, IMAGE, weights // 2)),
            Level(name="SDRAM", energy=DRAM / 2, bandwidth=beat, tensors=("weights",)),
        ]
    return Machine(
        name="engine",
        levels=(
            Level(name="PE", words=(1, 1, 1), energy=(pe_energy(pe.threads), 0.0, 0.0)),
            Level(
                name="buffers",
                words=(buffer, array.rows * array.cols, 1),
                energy=(sram(buffer) / 2, 0.0, 0.0),
                tensors=("input", "output"),
            ),
            *outer,
        ),
        hop=0.0,
        rows=array.rows,
        cols=array.cols,
        threads=pe.threads,
        word_bytes=1,
    )


@lru_cache(maxsize=1)
def _pe_energies() -> dict[int, float]:
    text = files(__package__).joinpath("pe_energy.json").read_text()
    return {row["threads"]: row["femtojoules_per_mac"] for row in json.loads(text)["rows"]}


def pe_energy(threads: int) -> float:
    """Picojoules of one multiply-accumulate in a PE with `threads` threads, its registers and the hops included."""
    known = _pe_energies()
    if threads not in known:
        raise ConfigError(must_be_one_of("threads", threads, tuple(known)))
    return known[threads] / 1000


MACHINES: dict[str, Callable[[ArraySize], Machine]] = {
    "eyeriss": lambda size: published("eyeriss", size, (512, register_file(512)), (131072, 20.0)),
    "small": lambda size: published("small", size, (64, register_file(64)), (131072, 20.0)),
    "scratchpad": lambda size: published(
        "scratchpad", size, (16, register_file(16)), (128, register_file(128)), (262144, 30.75), inner=1
    ),
    "tpu": lambda size: published("tpu", size, (32, 0.015), (65536, sram(65536)), dram=150.0),
    "accelerator": accelerator,
}
"""Name -> the machine around an array of a size. The first four are of the authors' scripts: Eyeriss' memories; an
eighth of its registers; the two-level register file that they found best; the memories of a TPU."""


def machine(name: str, size: ArraySize) -> Machine:
    """The machine called `name` around an array of `size`."""
    return choose("machine", name, MACHINES)(size)
