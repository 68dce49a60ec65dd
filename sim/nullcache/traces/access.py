# SPDX-License-Identifier: Apache-2.0
"""Accesses as they are put together: arrays that lie in memory, and columns of loads and stores."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from sysmt.base.errors import UserError

from .layers import LayerOperands
from .trace import LOAD, STORE, Trace

PAGE = 4096


class Access(NamedTuple):
    """Accesses of one kind to one array: op, byte addresses, bytes each, and what is stored."""

    op: int
    addr: np.ndarray
    size: int
    data: np.ndarray | int = 0


def load(addr: np.ndarray, size: int) -> Access:
    """Load from these addresses."""
    return Access(LOAD, addr, size)


def store(addr: np.ndarray, size: int, data: np.ndarray | int) -> Access:
    """Store to these addresses."""
    return Access(STORE, addr, size, data)


class Recorder:
    """Places arrays in memory and collects accesses to them."""

    def __init__(self, name: str, base: int) -> None:
        self.name, self.end = name, base
        self.parts: list[tuple[np.ndarray, ...]] = []
        self.filled: list[tuple[int, np.ndarray]] = []

    def allocate(self, elements: int, width: int, content: np.ndarray | None = None) -> Callable[[Any], np.ndarray]:
        """Reserve an array; returns the address of an element by its index. `content` is there from the beginning."""
        at = self.end
        self.end += -(-elements * width // PAGE) * PAGE
        if self.end > 1 << 32:
            raise UserError(f"layer {self.name} must fit in 32 bits of address, not {self.end} bytes: lower --limit")
        if content is not None:
            self.filled.append((at, np.ascontiguousarray(content).view(np.uint8).reshape(-1)))
        return lambda index: (at + width * np.asarray(index)).astype(np.uint32)

    def add(self, columns: list[Access], keep: np.ndarray | None = None) -> None:
        """For every row of the broadcast columns one access per column, in order.

        `keep` [rows, columns] says which of them happen.
        """
        shape = np.broadcast_shapes(*(np.shape(part) for access in columns for part in (access.addr, access.data)))
        shape = (*shape, len(columns))
        op, addr = np.empty(shape, np.uint8), np.empty(shape, np.uint32)
        size, value = np.empty(shape, np.uint8), np.zeros(shape, np.uint32)
        for i, access in enumerate(columns):
            op[..., i], addr[..., i], size[..., i], value[..., i] = access
        arrays = (op, addr, size, value)
        flat = (a.reshape(-1) if keep is None else a[np.broadcast_to(keep, shape)] for a in arrays)
        self.parts.append(tuple(flat))

    def trace(self) -> Trace:
        """All accesses so far, and the initial memory."""
        mem = np.zeros(max(at + len(content) for at, content in self.filled), np.uint8)
        for at, content in self.filled:
            mem[at : at + len(content)] = content
        op, addr, size, data = (np.concatenate(column) for column in zip(*self.parts, strict=True))
        return Trace(op, addr, size, data, mem)


def stored(sums: np.ndarray, layer: LayerOperands) -> np.ndarray:
    """What the layer stores for these sums: float32 as it is, 8 bits saturated."""
    result = np.maximum(sums, 0) if layer.relu else sums
    if layer.x.itemsize == 4:
        return np.ascontiguousarray(result).view(np.uint32)
    return np.clip(np.rint(result), 0, 255).astype(np.uint32)


def bits(values: np.ndarray) -> np.ndarray:
    """What a store of these values writes."""
    return values.view(np.uint32) if values.itemsize == 4 else values.view(np.uint8).astype(np.uint32)
