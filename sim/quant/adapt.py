# SPDX-License-Identifier: Apache-2.0
"""Adapts the int8 weights of a layer to what NB-SMT makes of them, so that its sums stay close to the exact ones.

With operands assigned to steps, a sum is a number of products f(x) g(w) (`sysmt.sim.golden.nbsmt_terms`): linear in
what its column's weights turn into. So each weight can be searched over the integers around it, one after the other,
for the least squared deviation of the column from the exact network's sums on calibration inputs. What one operand
loses to 4 bits the others make up for: neighbouring pixels and channels see nearly the same, and those that are alone
in their step have 8 bits.

The means of the sums are left to the biases (`sysmt.sim.quant.recalibrate`). The weights stay int8 and zeros stay
zeros: array, cycles and collisions are as before. Where it approximates: the weights that share a step with the one
that is searched count as not zero.

Source: error feedback between weights as in Frantar and Alistarh, Optimal Brain Compression (NeurIPS 2022); the model
of NB-SMT in place of plain rounding is ours.
"""

from itertools import combinations
from math import prod

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.nbsmt import NbSmtConfig
from sysmt.hdl.params.kinds.sparq import SparqConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.sim.golden.nbsmt import split
from sysmt.sim.golden.nbsmt_terms import EXACT, ProductTerm, terms
from sysmt.sim.golden.sparq import operands

REACH = 20
"""How far a weight may move: beyond its neighbours in 4 bits, 16 apart."""
SWEEPS = 4
"""Times that every weight is searched; after these hardly any moves."""
SETTLED = 0.005
"""Share of the weights that moves in the last sweep."""
PULL = 0.02
"""What moving a weight costs, in mean squared activations: weights stay where the calibration inputs say little."""
PART = 2048
"""Rows prepared at a time: bounds the memory."""
FORBIDDEN = 1e30


def adapt(x: np.ndarray, w: np.ndarray, target: np.ndarray, pe: PEConfig, threads: int) -> np.ndarray:
    """Weights under which the sums on so many threads vary as the target does.

    Parameters
    ----------
    x : uint8 [M, P]
        Rows of the layer's operand, permuted, zeros in its padding slots; of an array that takes a zero point off,
        distances from it, int16.
    w : int8 [P, N]
        Its weights, permuted alike.
    target : array [M, N]
        What the sums should be, up to a constant per column.
    pe : PEConfig
    threads : int

    Returns
    -------
    int8 [P, N]
    """
    if not isinstance(pe, NbSmtConfig | SparqConfig):
        raise UserError(f"kind must be nbsmt or sparq to adapt weights, not {pe.kind!r}; keep the weights")
    if isinstance(pe, SparqConfig) and pe.stc:
        raise UserError("stc must be False to adapt weights, not True: they choose the pairs; keep the weights")
    tables, mix = _basis(pe, threads)
    gram, wanted = _moments(x, target, pe, threads, mix)
    parts = len(mix)
    values = tables.T[w.view(np.uint8)]  # [P, N, parts]
    # Half the slope of the squared deviation in every coefficient.
    slope = gram @ values.transpose(0, 2, 1).reshape(len(gram), -1) - wanted
    own = gram.reshape(len(w), parts, len(w), parts)[np.arange(len(w)), :, np.arange(len(w))]
    pull = PULL * own[:, 0, 0].mean()
    adapted: np.ndarray = w.copy()
    start = w.astype(np.int64)
    moves = np.arange(-REACH, REACH + 1)[:, None]
    for _ in range(SWEEPS):
        moved = 0
        for slot in np.flatnonzero(own[:, 0, 0]):
            terms_of_slot = slice(slot * parts, (slot + 1) * parts)
            choices = np.clip(start[slot] + moves, -128, 127)
            step = tables.T[choices.astype(np.uint8)] - values[slot]
            cost = (step * (2 * slope[terms_of_slot].T + step @ own[slot])).sum(axis=2)
            cost += pull * (choices - start[slot]) ** 2
            cost[(choices == 0) != (start[slot] == 0)] = FORBIDDEN
            best = cost.argmin(axis=0)
            columns = np.flatnonzero(choices[best, np.arange(len(best))] != adapted[slot])
            if len(columns):
                best = best[columns]
                slope[:, columns] += gram[terms_of_slot].T @ step[best, columns].T
                values[slot, columns] += step[best, columns]
                adapted[slot, columns] = choices[best, columns]
                moved += len(columns)
        if moved <= SETTLED * w.size:
            break
    return adapted


def _basis(pe: PEConfig, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Independent ones of the terms' functions of w, float64 [parts, 256], and the terms in them, [parts, terms]."""
    every = np.array([term.w for term in _terms(pe, threads)], np.float64)
    kept: list[np.ndarray] = []
    for table in every:
        if np.linalg.matrix_rank(np.array([*kept, table])) > len(kept):
            kept.append(table)
    tables = np.array(kept)
    return tables, np.linalg.lstsq(tables.T, every.T, rcond=None)[0]


def _terms(pe: PEConfig, threads: int) -> tuple[ProductTerm, ...]:
    """What a sum is made of. SPARQ trims activations only: exact weights."""
    return terms(pe, threads) if isinstance(pe, NbSmtConfig) else EXACT


def _moments(
    x: np.ndarray, target: np.ndarray, pe: PEConfig, threads: int, mix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Covariances of the functions of x among each other and with the target: float64 [P * parts, ...]."""
    size = x.shape[1] * len(mix)
    squares, products = np.zeros((size, size)), np.zeros((size, target.shape[1]))
    sums, target_sums = np.zeros(size), np.zeros(target.shape[1])
    # Near their means, float32 products lose less.
    middle = target.mean(axis=0)
    for start in range(0, len(x), PART):
        side = _side(x[start : start + PART], pe, threads, mix)
        wanted = (target[start : start + PART] - middle).astype(np.float32)
        squares += side.T @ side
        products += side.T @ wanted
        sums += side.sum(axis=0, dtype=np.float64)
        target_sums += wanted.sum(axis=0, dtype=np.float64)
    means = sums / len(x)
    return squares / len(x) - np.outer(means, means), products / len(x) - np.outer(means, target_sums / len(x))


def _side(x: np.ndarray, pe: PEConfig, threads: int, mix: np.ndarray) -> np.ndarray:
    """What every weight of a column is multiplied with, float32 [M, P * parts]: the other threads' zeros included."""
    if isinstance(pe, SparqConfig):
        return (np.sign(x) * operands(x, pe) if threads == pe.threads else x).astype(np.float32)
    codes = split(x, threads)
    active = (codes != 0).astype(np.float32)
    around = np.concatenate([active, active], axis=1)  # from any thread on, all threads in cyclic order
    factors = np.zeros((*codes.shape, len(mix)), np.float32)
    for term, shares in zip(_terms(pe, threads), mix.T.astype(np.float32), strict=True):
        met = sum(
            prod((around[:, d : d + threads] for d in others), start=np.float32(1))
            for others in combinations(range(1, threads), term.others)
        )
        factors += (term.x[codes] * met)[..., None] * shares
    return factors.reshape(len(x), -1, len(mix))[:, : x.shape[1]].reshape(len(x), -1)
