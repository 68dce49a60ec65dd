# SPDX-License-Identifier: Apache-2.0
"""The matrix product of the array in PyTorch: the golden model's integers, on any device.

A sum is a few dense products of functions of x and functions of w (`sysmt.sim.golden.nbsmt_terms`), added in float32
while that is exact; with SPARQ one, of trimmed activations. Other kinds of PE go through their golden model, on the
processor.
"""

from functools import lru_cache
from itertools import combinations

import numpy as np
import torch

from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.nbsmt import FLOAT32_EXACT
from sysmt.sim.golden.nbsmt_terms import terms
from sysmt.sim.golden.sparq import trimmed

OPERAND_VALUES = {"cpu": 2**21, "cuda": 2**27}
"""Float32 values of x that are prepared at a time: bounds the memory."""


def product(x: torch.Tensor, w: torch.Tensor, pe: PEConfig, threads: int) -> torch.Tensor:
    """What the array computes, bit for bit (`sysmt.sim.golden.matmul.matmul`); it has no gradient.

    Parameters
    ----------
    x : tensor [M, K]
        Activations 0 to 255, of any type.
    w : tensor [K, N]
        Weights -128 to 127, of any type, on the same device.
    pe : PEConfig
    threads : int
        Threads to run on.

    Returns
    -------
    int64 [M, N]

    Raises
    ------
    UserError
        K could overflow the accumulator, the PE cannot run `threads`, or PyTorch is set to multiply inexactly.
    """
    if torch.get_float32_matmul_precision() != "highest":
        raise UserError(
            f"float32_matmul_precision must be 'highest', not {torch.get_float32_matmul_precision()!r}: "
            "sums would be rounded; call torch.set_float32_matmul_precision('highest')"
        )
    with torch.no_grad():
        pe.check_k(x.shape[1])
        if isinstance(pe, NbSmtConfig):
            return _nbsmt(x.byte(), w.char().T.view(torch.uint8), pe, pe.throttle(threads))
        if isinstance(pe, SparqConfig) and not pe.stc:
            left = _trimmed(x.byte(), pe) if pe.throttle(threads) == pe.threads else x.byte()
            return _nbsmt(left, w.char().T.view(torch.uint8), NbSmtConfig(), 1)
        operands = x.cpu().numpy().astype(np.uint8), w.cpu().numpy().astype(np.int8)
        sums = golden_of(pe).product(*operands, pe, pe.throttle(threads), counting=False).sums
        return torch.from_numpy(sums).to(x.device).long()


@lru_cache(maxsize=64)
def _tables(pe: NbSmtConfig, threads: int, device: str) -> tuple[torch.Tensor, torch.Tensor, int]:
    """The functions of x and of w, float32 [blocks, 256 * 2**(threads - 1)] each, and the largest sum of one step.

    A block is a term and a set of other threads. Its functions go by the byte and, behind it, a bit per other thread,
    set where that one's operand is not zero: they are 0 unless all of the set's are.
    """
    policy = terms(pe, threads)
    blocks = [(term, others) for term in policy for others in combinations(range(1, threads), term.others)]
    patterns, wanted = np.arange(2 ** (threads - 1)), [sum(1 << (d - 1) for d in others) for _, others in blocks]
    met = [patterns & bits == bits for bits in wanted]
    sides = []
    for side in "xw":
        tables = [np.outer(getattr(term, side), there) for (term, _), there in zip(blocks, met, strict=True)]
        sides.append(torch.tensor(np.array(tables, np.float32).reshape(len(blocks), -1), device=device))
    return sides[0], sides[1], sum(term.bound(threads) for term in policy)


def _nbsmt(x: torch.Tensor, w: torch.Tensor, pe: NbSmtConfig, threads: int) -> torch.Tensor:
    """Bytes x [M, K] and w [N, K]."""
    of_x, of_w, bound = _tables(pe, threads, str(x.device))
    x, w = _split(x, threads), _split(w, threads)
    (m, _, steps), n = x.shape, len(w)
    sums = torch.zeros(m, n, dtype=torch.int64, device=x.device)
    longest = FLOAT32_EXACT // bound  # of a sum that float32 holds exactly, in any order
    rows = max(1, OPERAND_VALUES[x.device.type] // (len(of_x) * threads * min(steps, longest)))
    for start in range(0, steps, longest):
        cut = slice(start, start + longest)
        w_side = _operand(w[:, :, cut], of_w).transpose(1, 2)
        for top in range(0, m, rows):
            parts = torch.bmm(_operand(x[top : top + rows, :, cut], of_x), w_side)
            sums[top : top + rows] += parts.sum(0).long()
    return sums


def _trimmed(x: torch.Tensor, pe: SparqConfig) -> torch.Tensor:
    """What SPARQ multiplies in place of bytes x [M, K] (`sysmt.sim.golden.sparq.operands`)."""
    tables = [torch.from_numpy(trimmed(window, pe.trim)).to(x.device) for window in (pe.narrow, pe.narrow.alone)]
    shared, alone = (table[x.int()] for table in tables)
    if not pe.vsparq:
        return shared
    pairs = torch.nn.functional.pad(x, (0, x.shape[1] % 2)).view(len(x), -1, 2)
    neighbours = pairs.flip(2).reshape(len(x), -1)[:, : x.shape[1]]
    return torch.where(neighbours != 0, shared, alone)


def _split(operand: torch.Tensor, threads: int) -> torch.Tensor:
    """Each thread's contiguous part of K: [L, K] to [L, T, ceil(K / T)], zeros behind."""
    length, k = operand.shape
    steps = -(-k // threads)
    if k % threads:
        operand = torch.nn.functional.pad(operand, (0, threads * steps - k))
    return operand.reshape(length, threads, steps)


def _operand(codes: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """One side of the dense products: bytes [L, T, S] to float32 [blocks, L, T * S]."""
    length, threads, steps = codes.shape
    index = codes.int() << (threads - 1)
    active = (codes != 0).int()
    for distance in range(1, threads):
        index += torch.roll(active, -distance, 1) << (distance - 1)
    side = torch.empty(len(tables), length * threads * steps, device=codes.device)
    flat = index.reshape(-1)  # 32-bit indices into one table: several times faster than other look-ups
    for table, out in zip(tables, side, strict=True):
        torch.index_select(table, 0, flat, out=out)
    return side.view(len(tables), length, threads * steps)
