# SPDX-License-Identifier: Apache-2.0
"""A trace of memory accesses: what it is, how it is checked, where it is kept."""

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.archive import read_archive

LOAD, STORE = 0, 1
SIZES = (1, 2, 4)
FIELDS = ("op", "addr", "size", "data", "mem")


@dataclass(frozen=True, eq=False)
class Trace:
    """Accesses in program order.

    Parameters
    ----------
    op : array [N] of integers
        0 load, 1 store.
    addr : array [N] of uint32
        Byte address, a multiple of `size`.
    size : array [N] of integers
        Bytes: 1, 2 or 4.
    data : array [N] of uint32
        What a store writes, in its low `size` bytes; ignored for loads.
    mem : array of uint8
        Initial memory from address 0; everything beyond it is zero.

    Raises
    ------
    UserError
        An array has the wrong type, shape or a value out of range.
    """

    op: np.ndarray
    addr: np.ndarray
    size: np.ndarray
    data: np.ndarray
    mem: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint8))

    def __post_init__(self):
        for name in ("op", "addr", "size", "data", "mem"):
            array = getattr(self, name)
            if not isinstance(array, np.ndarray) or array.ndim != 1:
                raise UserError(f"trace {name} must be an array of one dimension, not {np.shape(array)}")
        for name in ("op", "size"):
            if self._dtype(name).kind not in "iu":
                raise UserError(f"trace {name} must be of an integer type, not {self._dtype(name)}")
        for name, dtype in (("addr", "uint32"), ("data", "uint32"), ("mem", "uint8")):
            if self._dtype(name) != dtype:
                raise UserError(f"trace {name} must be of type {dtype}, not {self._dtype(name)}")
        for name in ("addr", "size", "data"):
            if len(getattr(self, name)) != len(self.op):
                raise UserError(f"trace {name} must be as long as op, {len(self.op)}, not {len(getattr(self, name))}")
        self._refuse((self.op != LOAD) & (self.op != STORE), "op", "0 (load) or 1 (store)", self.op)
        self._refuse(~np.isin(self.size, SIZES), "size", "1, 2 or 4", self.size)
        self._refuse(self.addr % self.size.astype(np.uint32) != 0, "addr", "a multiple of its size", self.addr)

    def _dtype(self, name: str) -> np.dtype:
        return getattr(self, name).dtype

    def _refuse(self, bad: np.ndarray, name: str, wanted: str, values: np.ndarray) -> None:
        if bad.any():
            i = int(np.argmax(bad))
            raise UserError(f"trace {name} must be {wanted}, not {int(values[i])} (access {i}, size {self.size[i]})")

    def __len__(self) -> int:
        return len(self.op)

    def check_range(self, addr_width: int) -> None:
        """Refuse an access, or initial memory, beyond `addr_width` bits of address."""
        end = 1 << addr_width
        beyond = self.addr.astype(np.int64) + self.size > end
        self._refuse(beyond, "addr", f"below {end:#x} (addr_width = {addr_width})", self.addr)
        if len(self.mem) > end:
            raise UserError(f"trace mem must fit in {end} bytes (addr_width = {addr_width}), not {len(self.mem)}")

    def packed(self) -> bytes:
        """The trace as the bytes of an .npz file."""
        stream = io.BytesIO()
        np.savez_compressed(stream, op=self.op, addr=self.addr, size=self.size, data=self.data, mem=self.mem)
        return stream.getvalue()

    @classmethod
    def load(cls, path: Path) -> "Trace":
        """Read a trace that `packed`, or anybody else's `numpy.savez`, wrote."""
        arrays = read_archive(path, "trace", FIELDS.__contains__)
        missing = [name for name in FIELDS if name not in (*arrays, "mem")]
        if missing:
            raise UserError(
                f"trace {path} must hold op, addr, size and data; {', '.join(missing)} missing: "
                "make one with sysmt trace"
            )
        return cls(**arrays)
