# SPDX-License-Identifier: Apache-2.0
"""A product on an accelerator, the runs it becomes, and the bytes that they move over the host link."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property

from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.protocol import ARGUMENTS, CRC, HEADER, Opcode, arguments_of

ENVELOPE = HEADER.size + CRC.size + 2
"""Bytes of a frame beside its payload."""
STATUS = 1
MOST_RUNS = 1 << 20
"""Runs that a product may take: every one of them is planned before the first is done."""


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

    Raises
    ------
    UserError
        A size below 1; more than `MOST_RUNS` runs.
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
        down, across, tiles = self.room(self.part(self.least_parts))
        runs = self.least_parts * -(-self.m_tiles * self.n_tiles // min(down * across, tiles))
        if runs > MOST_RUNS:
            raise ConfigError(
                f"product {self.m}x{self.k}x{self.n} must take at most {MOST_RUNS} runs of the array, not {runs}; "
                "split it, or take a larger array or more memory"
            )

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
    resident: list[dict[str, tuple[int, ...]]] = [{}, {}]
    widths = {"x": config.x_bytes, "w": config.w_bytes, "table": config.table_bytes if product.requantized else 0}
    write, read = (ENVELOPE + ARGUMENTS[opcode].size for opcode in (Opcode.WRITE, Opcode.READ))
    run_bytes = ENVELOPE + arguments_of(config.array.pe)[Opcode.RUN].size
    # Most runs have as many words and tiles as one before.
    results = cache(lambda tiles: _results(product, tiles))

    @cache
    def filling(memory: str, words: int) -> tuple[int, int]:
        width = widths[memory]
        frames = -(-words // (config.frame_data // width))
        return words * width + frames * write, frames * (ENVELOPE + STATUS)

    for number, run in enumerate(runs):
        held, at = resident[number & 1], (run.first, run.steps)
        filled: list[tuple[str, tuple[int, ...], int]] = [
            ("x", (run.m_tile, run.m_tiles, *at), run.m_tiles * run.steps),
            ("w", (run.n_tile, run.n_tiles, *at), run.n_tiles * run.steps),
        ]
        if product.requantized:
            filled.append(("table", (run.n_tile, run.n_tiles), run.n_tiles * config.array.cols))
        for memory, content, words in filled:
            if held.get(memory) != content:
                held[memory] = content
                sent, answered = filling(memory, words)
                out, back = out + sent, back + answered
        reads, data = results(run.m_tiles * run.n_tiles)
        out += run_bytes + reads * read
        back += ENVELOPE + STATUS + reads * (ENVELOPE + STATUS) + data
    return LinkBytes(out, back)


def _results(product: AccelProduct, tiles: int) -> tuple[int, int]:
    """Frames that the results of a run come in, and their bytes."""
    config, array = product.config, product.config.array
    row = array.cols * (1 if product.requantized else 4)
    rows = tiles * array.rows
    per_frame = max(config.frame_data // row, 1)
    # Requantised results are read tile by tile.
    frames = tiles * -(-array.rows // min(per_frame, array.rows)) if product.requantized else -(-rows // per_frame)
    return frames, rows * row
