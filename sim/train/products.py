# SPDX-License-Identifier: Apache-2.0
"""The matrix product of the array in PyTorch: the golden model's integers, on any device.

A sum is a few dense products of functions of x and functions of w (`sysmt.sim.golden.nbsmt_terms`), added in float32
while that is exact. Other kinds of PE than NB-SMT go through their golden model, on the processor.
"""

from functools import lru_cache, reduce
from itertools import combinations

import numpy as np
import torch

from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.nbsmt import FLOAT32_EXACT
from sysmt.sim.golden.nbsmt_terms import terms

OPERAND_VALUES = {"cpu": 2**21, "cuda": 2**27}
"""Float32 values of x that are prepared at a time: bounds the memory."""

Blocks = tuple[tuple[tuple[int, ...], int], ...]
"""Per block of the reduction: the other threads that must be active, as distances modulo T, and the function's row."""


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
            return _nbsmt(x.long(), w.long().T & 255, pe, pe.throttle(threads))
        operands = x.cpu().numpy().astype(np.uint8), w.cpu().numpy().astype(np.int8)
        sums = golden_of(pe).product(*operands, pe, pe.throttle(threads), counting=False).sums
        return torch.from_numpy(sums).to(x.device).long()


@lru_cache(maxsize=64)
def _tables(pe: NbSmtConfig, threads: int, device: str) -> tuple[Blocks, torch.Tensor, torch.Tensor, int]:
    """The blocks, the functions of x and of w [functions, 256], and the largest magnitude of one step."""
    policy = terms(pe, threads)
    blocks = tuple((b, i) for i, term in enumerate(policy) for b in combinations(range(1, threads), term.others))
    by_side = (torch.tensor(np.array([getattr(term, side) for term in policy]), device=device) for side in "xw")
    x, w = by_side
    return blocks, x, w, sum(term.bound(threads) for term in policy)


def _nbsmt(x: torch.Tensor, w: torch.Tensor, pe: NbSmtConfig, threads: int) -> torch.Tensor:
    """Bytes x [M, K] and w [N, K], both as integers 0 to 255."""
    blocks, of_x, of_w, bound = _tables(pe, threads, str(x.device))
    x, w = _split(x, threads), _split(w, threads)
    (m, _, steps), n = x.shape, len(w)
    sums = torch.zeros(m, n, dtype=torch.int64, device=x.device)
    longest = FLOAT32_EXACT // bound  # of a sum that float32 holds exactly, in any order
    for start in range(0, steps, longest):
        cut = slice(start, start + longest)
        w_side = _operand(w[:, :, cut], blocks, of_w)
        rows = max(1, OPERAND_VALUES[x.device.type] // w_side.shape[1])
        for top in range(0, m, rows):
            x_side = _operand(x[top : top + rows, :, cut], blocks, of_x)
            sums[top : top + rows] += (x_side @ w_side.T).long()
    return sums


def _split(operand: torch.Tensor, threads: int) -> torch.Tensor:
    """Each thread's contiguous part of K: [L, K] to [L, T, ceil(K / T)], zeros behind."""
    length, k = operand.shape
    steps = -(-k // threads)
    return torch.nn.functional.pad(operand, (0, threads * steps - k)).view(length, threads, steps)


def _operand(codes: torch.Tensor, blocks: Blocks, tables: torch.Tensor) -> torch.Tensor:
    """One side of the dense product, [L, blocks * T * S]: see `sysmt.sim.golden.nbsmt`."""
    length, threads, steps = codes.shape
    nonzero = (codes != 0).float()
    around = torch.cat([nonzero, nonzero], dim=1)
    masks = {others: reduce(torch.mul, [around[:, d : d + threads] for d in others]) for others, _ in blocks if others}
    values = {function: tables[function][codes] for _, function in blocks}
    side = torch.empty(length, len(blocks), threads, steps, device=codes.device)
    for place, (others, function) in enumerate(blocks):
        if others:
            torch.mul(values[function], masks[others], out=side[:, place])
        else:
            side[:, place] = values[function]
    return side.view(length, -1)
