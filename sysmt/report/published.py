# SPDX-License-Identifier: Apache-2.0
"""Figures of others that ours are compared with, each with its source; and the targets that we set ourselves."""

from dataclasses import dataclass

SYSMT_PAPER = "Shomron and Weiser, MICRO 2020 (NB-SMT)"
OPEN_FLOW = "measured with this flow, before it put buffers on large nets: sky130hd; nextpnr on an ECP5, grade 6"


@dataclass(frozen=True)
class Published:
    """What the paper gives for an array of `threads` threads against its conventional one.

    Members
    -------
    area, energy : ratio
    speedup : ratio of cycles, at the accuracy loss that `note` tells
    """

    threads: int
    area: float
    energy: float
    speedup: float
    note: str
    source: str = SYSMT_PAPER

    @property
    def throughput_per_area(self) -> float:
        """Threads over area: the paper's arrays at their peak."""
        return self.threads / self.area


PUBLISHED = {
    2: Published(2, area=1.4, energy=0.67, speedup=2.0, note="less than 1 % accuracy loss, ImageNet CNNs"),
    4: Published(4, area=2.5, energy=0.61, speedup=3.4, note="1 % accuracy loss, 40 %-pruned ResNet-18"),
}


@dataclass(frozen=True)
class FigureTarget:
    """What our array of so many threads is to reach against the one-thread array at the same clock."""

    area: float
    energy: float
    throughput_per_area: float
    clock: float


TARGETS = {
    2: FigureTarget(area=1.30, energy=0.67, throughput_per_area=1.5, clock=0.95),
    4: FigureTarget(area=2.1, energy=0.61, throughput_per_area=1.85, clock=0.0),
}
"""`clock` 0: no target."""

EQUAL_MODULES_TARGET = 20.0
"""Synthesis of a 16x16 array with equal modules merged is to be so many times faster than without."""


@dataclass(frozen=True)
class OpenArray:
    """An open 8x8 one-thread array."""

    name: str
    area_um2: int
    ecp5_mhz: str
    source: str = OPEN_FLOW


OPEN_ARRAYS = (
    OpenArray("CFU-Playground (hps_accel)", 386_343, "80-93"),
    OpenArray("NpuKit", 421_910, "80"),
    OpenArray("systars", 614_230, "69"),
)
