# SPDX-License-Identifier: Apache-2.0
"""SPARQ on 2:4 weights (STC): of each group of four operands along K the two with a weight make the pair.

Whether an activation is trimmed is a matter of its column then, and of one other operand:

    sum(x w) + sum over i, j of one group, i != j, of (trimmed(x_i) - x_i) [x_j != 0]  *  w_i [w_j != 0]

Four dense products in place of one.
"""

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.kinds.sparq import GROUP, KEPT, PLACE_WIDTH, SparqConfig

from .sparq import SparqCounters, shifts, trimmed


def check_weights(w: np.ndarray) -> None:
    """Refuse weights [K, N] that are not 2:4 sparse (`UserError`, one line)."""
    found = np.count_nonzero(grouped(w.T), axis=2)
    if found.max(initial=0) > KEPT:
        n, g = np.argwhere(found > KEPT)[0]
        raise UserError(
            f"w must have at most {KEPT} non-zero weights in each group of {GROUP} along K with stc = True, not "
            f"{found[n, g]} from row {GROUP * g} on in column {n}; prune it to {KEPT}:{GROUP}, or run fewer threads"
        )


def is_sparse(w: np.ndarray) -> bool:
    """Whether weights [K, N] are 2:4 sparse."""
    return int(np.count_nonzero(grouped(w.T), axis=2).max(initial=0)) <= KEPT


def first_two(w: np.ndarray) -> np.ndarray:
    """Weights [K, N] with those of each group that are not zero, but for the first two, made zero."""
    groups = grouped(w.T)
    kept = np.cumsum(groups != 0, axis=2) <= KEPT
    return np.ascontiguousarray((groups * kept).reshape(w.shape[1], -1)[:, : len(w)].T)


def grouped(operand: np.ndarray) -> np.ndarray:
    """[L, K] as [L, groups, 4], zeros where the last group has no operand."""
    length, k = operand.shape
    return np.pad(operand, ((0, 0), (0, -k % GROUP))).reshape(length, -1, GROUP)


def spread(operand: np.ndarray) -> np.ndarray:
    """[L, K] as [L, 2 * K], a zero behind each: one operand of a thread and step, where it brings two."""
    return np.stack([operand, np.zeros_like(operand)], axis=2).reshape(len(operand), -1)


def stored(w: np.ndarray, pe: SparqConfig, threads: int) -> np.ndarray:
    """Weights of steps as memories hold them, `sysmt.hdl.pe.sparq_stc.stored` in bytes.

    Parameters
    ----------
    w : int8 [words, lanes, operand pairs of a PE]
        On all threads at most two of each group are not zero; on fewer, one of each thread's, its first (`spread`).

    Returns
    -------
    uint8 [words, `SparqConfig.weight_bytes`]
    """
    words, lanes = w.shape[:2]
    if threads < pe.threads:
        values = w.reshape(words, lanes, pe.threads, -1)[..., 0]
        places = np.zeros(values.shape, np.uint8)
    else:
        groups = _of_groups(w, pe)
        live = groups != 0
        first = live.argmax(axis=3)
        last = np.where(live.any(axis=3), GROUP - 1 - live[..., ::-1].argmax(axis=3), first)
        pairs = np.take_along_axis(groups, np.stack([first, last], axis=3), axis=3)
        pairs[..., 1] *= first != last
        values = pairs.swapaxes(2, 3)
        places = np.stack([first, last], axis=2).astype(np.uint8)
    bits = np.unpackbits(places.reshape(words, -1, 1), axis=2, count=PLACE_WIDTH, bitorder="little")
    packed = np.packbits(bits.reshape(words, -1), axis=1, bitorder="little")
    return np.concatenate([np.ascontiguousarray(values).reshape(words, -1).view(np.uint8), packed], axis=1)


def read(words: np.ndarray, lanes: int, pe: SparqConfig, threads: int) -> np.ndarray:
    """The weights int8 [words, lanes, operand pairs of a PE] of which `stored` made `words`."""
    count, weights = len(words), lanes * pe.threads
    values = words[:, :weights].view(np.int8).reshape(count, lanes, pe.threads)
    if threads < pe.threads:
        return spread(values.reshape(count * lanes, -1)).reshape(count, lanes, -1)
    bits = np.unpackbits(words[:, weights:], axis=1, count=weights * PLACE_WIDTH, bitorder="little")
    places = np.packbits(bits.reshape(-1, PLACE_WIDTH), axis=1, bitorder="little").reshape(count, lanes, 2, pe.pairs)
    groups = np.zeros((count, lanes, pe.pairs, GROUP), np.int8)
    # The second one of an equal place is zero.
    for lane in (1, 0):
        of_lane = values.reshape(count, lanes, 2, pe.pairs)[:, :, lane]
        np.put_along_axis(groups, places[:, :, lane, :, None].astype(np.int64), of_lane[..., None], axis=3)
    found: np.ndarray = groups.reshape(count, lanes, pe.pairs, 2, -1).swapaxes(2, 3).reshape(count, lanes, -1)
    return found


def _of_groups(w: np.ndarray, pe: SparqConfig) -> np.ndarray:
    """Operand pairs [words, lanes, pairs] as [words, lanes, groups, 4]: of thread p, then those of p + `pairs`."""
    words, lanes = w.shape[:2]
    found: np.ndarray = w.reshape(words, lanes, 2, pe.pairs, -1).swapaxes(2, 3).reshape(words, lanes, pe.pairs, GROUP)
    return found


def sums(x: np.ndarray, w: np.ndarray, pe: SparqConfig) -> np.ndarray:
    """On all threads: x uint8 [M, K], w int8 [K, N] to int32 [M, N]."""
    total = x.astype(np.float64) @ w.astype(np.float64)  # below 2**53: exact
    lost = trimmed(pe.narrow, pe.trim).astype(np.float64) - np.arange(256)
    x_groups, w_groups = grouped(x), grouped(w.T)
    off = lost[x_groups]
    for distance in range(1, GROUP):
        left = off * (np.roll(x_groups, -distance, axis=2) != 0)
        right = w_groups * (np.roll(w_groups, -distance, axis=2) != 0)
        total += left.reshape(len(x), -1) @ right.reshape(w.shape[1], -1).T.astype(np.float64)
    return total.astype(np.int64).astype(np.int32)


def count(x: np.ndarray, w: np.ndarray, pe: SparqConfig, threads: int) -> SparqCounters:
    """Count for x uint8 [M, K] and w int8 [K, N]."""
    active = int(np.count_nonzero(x, axis=0) @ np.count_nonzero(w, axis=1))
    if threads < pe.threads:
        return SparqCounters(active=active, busy=active, alone=active)
    x_groups, w_live = grouped(x), grouped(w.T) != 0
    begins = shifts(pe.narrow)[x_groups]
    both, begun = 0, np.zeros(7, np.int64)
    for distance in range(1, GROUP):
        met = (w_live & np.roll(w_live, -distance, axis=2)).sum(axis=0)
        shared = (x_groups != 0) & (np.roll(x_groups, -distance, axis=2) != 0)
        both += int((shared.sum(axis=0) * met).sum())
        for least in range(1, 7):
            begun[least] += int(((shared & (begins >= least)).sum(axis=0) * met).sum())
    both //= 2  # from either side
    return SparqCounters(
        active=active,
        busy=active - both,
        collisions=both,
        reduced=int(begun[1]),
        alone=active - 2 * both,
        **{f"from_{least}": int(begun[least]) for least in range(2, 7)},
    )
