# SPDX-License-Identifier: Apache-2.0
"""Configuration of the array: every width, latency and limit is derived here and computed nowhere else.

Gates (`hdl`), golden models (`sim`), the manifest and the documentation read these objects.
"""

from dataclasses import dataclass, field

from sysmt.base.errors import ConfigError

from .checks import in_range, one_of
from .config import FLAT, Config
from .pe import PEConfig

DRAINS = ("overlap", "in_place")
CLUSTERS = (1, 2, 4)


@dataclass(frozen=True, kw_only=True)
class ArrayConfig(Config):
    """An output-stationary systolic array of equal PEs, with operand skew and drain.

    Parameters
    ----------
    rows, cols : int
        PEs down and across, 1 to 256. A tile is `rows` x `cols` outputs.
    pe : PEConfig
        The processing element. `with_fields` and `as_dict` name its fields as if they were the array's.
    drain : "overlap" or "in_place"
        `overlap`: results move into a second register per PE and leave while the next tile runs; a tile takes
        max(steps, rows) cycles. `in_place`: the accumulators themselves are the way out, smaller; a tile takes
        steps + rows cycles.
    counters : bool
        Performance counters beside the array.
    fuse : bool
        The row-broadcast dataflow of FuSeConv (DATE 2021) beside the matrix product, chosen per tile: one weight wire
        per row, and an OR in front of every weight register. After a matrix product, a tile of 1-D convolutions that
        is narrower than the array waits for the columns beyond it.
    cluster : 1, 2 or 4
        With target `asic`: so many PEs down and as many across have the operand and control registers of one, and use
        them in the same cycle. Fewer registers, a shorter way through the array, longer wires. Tiles of PEs without
        registers between them: Gemmini (Genc et al., DAC 2021).
    """

    rows: int = 8
    cols: int = 8
    pe: PEConfig = field(default_factory=PEConfig, metadata=FLAT)
    drain: str = "overlap"
    counters: bool = True
    fuse: bool = False
    cluster: int = 1

    def __post_init__(self) -> None:
        in_range("rows", self.rows, 1, 256)
        in_range("cols", self.cols, 1, 256)
        if not isinstance(self.pe, PEConfig):
            raise ConfigError(f"pe must be a PEConfig, not {self.pe!r}")
        one_of("drain", self.drain, DRAINS)
        one_of("counters", self.counters, (False, True))
        one_of("fuse", self.fuse, (False, True))
        one_of("cluster", self.cluster, CLUSTERS)
        if self.cluster > 1 and self.pe.target != "asic":
            raise ConfigError(f"cluster = {self.cluster} needs target = asic, not target = {self.pe.target}")
        if self.cluster > 1 and self.fuse:
            raise ConfigError(f"cluster = {self.cluster} needs fuse = False: a 1-D convolution moves from PE to PE")
        if self.fuse and not self.pe.FUSES:
            raise ConfigError(f"fuse = True needs a kind of PE with 1-D convolution (nbsmt), not kind = {self.pe.kind}")

    @property
    def registered(self) -> bool:
        """Whether steps enter through a register and rows leave through two short queues: target `fpga`.

        Then no path leads through the array, and what freezes it is a register.
        """
        return self.pe.target == "fpga"

    @property
    def latency(self) -> int:
        """Cycles from the last step of a tile to the end of the cycle its last row leaves, with no stall.

        One cycle hands the sum over (`overlap`), `stages_down` pass until the last row has its own, `rows` until the
        drain is empty, `stages_across` of skew, the pipeline of the PE, and the registers at both ends (`registered`).
        """
        through = self.stages_down + self.rows + self.stages_across - 1
        return (self.drain == "overlap") + through + self.pe.pipeline + 3 * self.registered

    @property
    def stages_down(self) -> int:
        """Registers that a weight passes on its way down the array: one per cluster."""
        return -(-self.rows // self.cluster)

    @property
    def stages_across(self) -> int:
        """Registers that an activation passes on its way across the array: one per cluster."""
        return -(-self.cols // self.cluster)

    @property
    def counting(self) -> tuple[int, int]:
        """Cycles from a step to its count: in front of the counters, and inside them.

        With target `fpga` the detectors are no part of the way into the array, and they, the products and their sums
        have registers of their own.
        """
        return (2, 7) if self.pe.target == "fpga" else (0, 3)

    def tile_cycles(self, steps: int) -> int:
        """Cycles from the first step of a tile to the first step of the next, operands and sink always ready."""
        return max(steps, self.rows) if self.drain == "overlap" else steps + self.rows

    @property
    def w_lanes(self) -> int:
        """Weights of one step: one per column; with `fuse` as many as a tap for every row needs, too."""
        return max(self.rows, self.cols) if self.fuse else self.cols

    def fuse_steps(self, width: int, taps: int, stride: int = 1, threads: int | None = None) -> int:
        """Array steps of a 1-D convolution tile that is `width` outputs wide.

        Every thread has ceil(taps / threads) taps. With a stride the inputs of each residue run through the row on
        their own, and each of these phases fills `width - 1` PEs before its first tap.
        """
        steps = self.pe.steps(taps, threads)
        return min(stride, steps) * (width - 1) + steps

    @property
    def max_steps(self) -> int:
        """Most steps of a tile: with `fuse`, a filter of `k_max` taps whose every tap is a phase of its own."""
        return self.pe.k_max * (self.cols if self.fuse else 1)
