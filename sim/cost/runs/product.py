# SPDX-License-Identifier: Apache-2.0
"""A product on an accelerator, the runs it becomes, and the bytes that they move over the host link."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from sysmt.base.errors import UserError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.protocol import ARGUMENTS, CRC, HEADER, Opcode, arguments_of

ENVELOPE = HEADER.size + CRC.size + 2
"""Bytes of a frame beside its payload."""
STATUS = 1


@dataclass(frozen=True)
class PlannedRun:
    """A run: tiles `m_tiles` x `n_tiles` from tile (`m_tile`, `n_tile`) on, over `steps` steps from `first` on.

    `rows` and `cols` are the real outputs of the last row and the last column of tiles.
    """

    m_tile: int
    n_tile: int
    m_tiles: int
    n_tiles: int
    first: int
    steps: int
    rows: int
    cols: int


@dataclass(frozen=True)
class Blocks:
    """How a product is cut.

    Members
    -------
    part : int
        Steps of a run; the last may have fewer.
    m, n : int
        Tiles of a run, down and across.
    """

    part: int
    m: int
    n: int


@dataclass(frozen=True)
class AccelProduct:
    """A product [m, k] x [k, n] on an accelerator.

    Parameters
    ----------
    m, k, n : int
    config : AccelConfig
    threads : int
    requantized : bool
        The board requantises, which it does with whole sums only.
    """

    m: int
    k: int
    n: int
    config: AccelConfig
    threads: int
    requantized: bool = False

    def __post_init__(self) -> None:
        for name in ("m", "k", "n"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, not {getattr(self, name)}")
        self.config.array.pe.check_k(self.k)

    @cached_property
    def steps(self) -> int:
        """Steps of one tile, uncut."""
        return self.config.array.pe.steps(self.k, self.threads)

    @cached_property
    def m_tiles(self) -> int:
        """Tiles down."""
        return -(-self.m // self.config.array.rows)

    @cached_property
    def n_tiles(self) -> int:
        """Tiles across."""
        return -(-self.n // self.config.array.cols)

    @property
    def least_parts(self) -> int:
        """Parts that K must be cut into at least, to fit in one half of the operand memories."""
        return -(-self.steps // self.config.depth)

    def part(self, parts: int) -> int:
        """Steps of a run when K is cut into `parts` even ones."""
        return -(-self.steps // parts)

    def room(self, part: int) -> tuple[int, int, int]:
        """Most tiles of one run: down, across, and in all."""
        config = self.config
        resident = max(config.depth // part, 1)
        across = config.channels // config.array.cols if config.requantize else self.n_tiles
        return min(self.m_tiles, resident), min(self.n_tiles, resident, across), config.result_rows // config.array.rows

    def run(self, m: int, n: int, first: int, blocks: Blocks) -> PlannedRun:
        """The run of the block that begins at tile (`m`, `n`) and step `first`."""
        array = self.config.array
        m_end, n_end = min(m + blocks.m, self.m_tiles), min(n + blocks.n, self.n_tiles)
        rows = min(self.m - (m_end - 1) * array.rows, array.rows)
        cols = min(self.n - (n_end - 1) * array.cols, array.cols)
        return PlannedRun(m, n, m_end - m, n_end - n, first, min(blocks.part, self.steps - first), rows, cols)


@dataclass(frozen=True)
class LinkBytes:
    """Bytes over the host link, frames included, as they are before escapes.

    Members
    -------
    out, back : int
        To the device, and from it.
    """

    out: int
    back: int

    @property
    def total(self) -> int:
        """Both directions together."""
        return self.out + self.back


def link_bytes(product: AccelProduct, runs: Iterable[PlannedRun]) -> LinkBytes:
    """Bytes of `runs` in their order: operands that a half of a memory holds already are not sent again."""
    config, out, back = product.config, 0, 0
    resident: dict[tuple[int, str], tuple[int, ...]] = {}

    def fill(half: int, memory: str, content: tuple[int, ...], words: int, width: int) -> int:
        if resident.get((half, memory)) == content:
            return 0
        resident[half, memory] = content
        frames = -(-words // (config.frame_data // width))
        nonlocal back
        back += frames * (ENVELOPE + STATUS)
        return words * width + frames * (ENVELOPE + ARGUMENTS[Opcode.WRITE].size)

    for number, run in enumerate(runs):
        half = number & 1
        at = (run.first, run.steps)
        out += fill(half, "x", (run.m_tile, run.m_tiles, *at), run.m_tiles * run.steps, config.x_bytes)
        out += fill(half, "w", (run.n_tile, run.n_tiles, *at), run.n_tiles * run.steps, config.w_bytes)
        if product.requantized:
            channels = run.n_tiles * config.array.cols
            out += fill(half, "table", (run.n_tile, run.n_tiles), channels, config.table_bytes)
        out += ENVELOPE + arguments_of(config.array.pe)[Opcode.RUN].size
        reads, data = _results(product, run)
        out += reads * (ENVELOPE + ARGUMENTS[Opcode.READ].size)
        back += ENVELOPE + STATUS + reads * (ENVELOPE + STATUS) + data
    return LinkBytes(out, back)


def _results(product: AccelProduct, run: PlannedRun) -> tuple[int, int]:
    """Frames that the results of a run come in, and their bytes."""
    config, array = product.config, product.config.array
    row = array.cols * (1 if product.requantized else 4)
    rows = run.m_tiles * run.n_tiles * array.rows
    per_frame = max(config.frame_data // row, 1)
    if product.requantized:
        frames = -(-array.rows // min(per_frame, array.rows)) * run.m_tiles * run.n_tiles
    else:
        frames = -(-rows // per_frame)
    return frames, rows * row
