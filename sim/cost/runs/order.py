# SPDX-License-Identifier: Apache-2.0
"""The cut and the order of runs that move fewest bytes over the host link.

Both operand memories are double-buffered: a run in half h finds what the run before the last one left there. So the
blocks of one operand are taken in pairs, one in each half, and stay while the blocks of the other pass, which both
need; at the end of a pair the others turn back, and the last of them need not be sent again.
"""

from collections.abc import Iterator
from itertools import zip_longest

from sysmt.hdl.params.protocol import Opcode, arguments_of

from .product import ENVELOPE, STATUS, AccelProduct, Blocks, PlannedRun, link_bytes

GAIN = 0.1
"""The plain plan is left only for one that moves this much less."""
EXAMINED = 3
"""Cuts whose bytes are counted run by run, of those that look best."""
FINEST = 64
"""Most parts that K is cut into beyond what the memories demand."""


def plain_runs(product: AccelProduct) -> list[PlannedRun]:
    """The plain plan: K cut as little as possible, the block with most outputs per byte of operands, row by row."""
    config, part = product.config, product.part(product.least_parts)
    down, across, tiles = product.room(part)
    best = (0.0, 1, 1)
    for n in range(1, across + 1):
        m = min(down, tiles // n)
        if m:
            best = max(best, (m * n / (m * config.x_bytes + n * config.w_bytes), m, n))
    blocks = Blocks(part, *best[1:])
    return [
        product.run(m, n, first, blocks)
        for m in range(0, product.m_tiles, blocks.m)
        for first in range(0, product.steps, part)
        for n in range(0, product.n_tiles, blocks.n)
    ]


def best_runs(product: AccelProduct) -> list[PlannedRun]:
    """The runs with fewest bytes over the host link among all cuts and the orders of this file, and the plain plan."""
    return _best(product, plain_runs(product))[1]


def chosen_runs(product: AccelProduct) -> list[PlannedRun]:
    """What the driver does: the best runs where they move a tenth less than the plain plan at least, else that."""
    plain = plain_runs(product)
    fewest, best = _best(product, plain)
    return best if fewest <= (1 - GAIN) * link_bytes(product, plain).total else plain


def _best(product: AccelProduct, plain: list[PlannedRun]) -> tuple[int, list[PlannedRun]]:
    """Bytes of the best runs, and the runs: of equals the fewest, the plain plan first."""
    plans = [plain]
    for _, part, m, n, x_stays in sorted(_cuts(product))[:EXAMINED]:
        # With one part there is no choice of what comes first.
        for parts_first in (False, True)[: 1 + (part < product.steps)]:
            plans.append(_paired(product, Blocks(part, m, n), x_stays, parts_first))
    totals = [link_bytes(product, runs).total for runs in plans]
    at = min(range(len(plans)), key=lambda i: (totals[i], len(plans[i])))
    return totals[at], plans[at]


def _cuts(product: AccelProduct) -> Iterator[tuple[int, int, int, int, bool]]:
    """About the bytes of every cut, without what turning back saves, and the cut: part, m, n, and whether the
    activations stay."""
    config, array = product.config, product.config.array
    least = product.least_parts
    most = least if product.requantized and least == 1 else min(product.steps, least + FINEST)
    x = product.m_tiles * product.steps * config.x_bytes
    w = product.n_tiles * product.steps * config.w_bytes
    results = product.m_tiles * product.n_tiles * array.rows * array.cols * 4
    for part in sorted({product.part(parts) for parts in range(least, most + 1)}):
        down, across, tiles = product.room(part)
        parts = -(-product.steps // part)
        for m in range(1, down + 1):
            n = min(across, tiles // m)
            if not n:
                break
            runs = parts * -(-product.m_tiles // m) * -(-product.n_tiles // n)
            fixed = parts * results + runs * (2 * ENVELOPE + arguments_of(config.array.pe)[Opcode.RUN].size + STATUS)
            yield fixed + x + -(-product.m_tiles // m) * w, part, m, n, True
            yield fixed + w + -(-product.n_tiles // n) * x, part, m, n, False


def _paired(product: AccelProduct, blocks: Blocks, x_stays: bool, parts_first: bool) -> list[PlannedRun]:
    """The runs of a cut: the blocks of one operand in pairs, those of the other to and fro."""
    firsts = range(0, product.steps, blocks.part)
    m_blocks, n_blocks = range(0, product.m_tiles, blocks.m), range(0, product.n_tiles, blocks.n)
    staying, passing = (m_blocks, n_blocks) if x_stays else (n_blocks, m_blocks)
    if parts_first:
        stays = [(block, first) for first in firsts for block in staying]
    else:
        stays = [(block, first) for block in staying for first in firsts]
    runs, forth = [], list(passing)
    for pair in zip_longest(stays[0::2], stays[1::2]):
        for other in forth:
            for held in pair:
                if held is not None:
                    m, n = (held[0], other) if x_stays else (other, held[0])
                    runs.append(product.run(m, n, held[1], blocks))
        forth.reverse()
    return runs
