# SPDX-License-Identifier: Apache-2.0
"""What the parts of the accelerator tell each other, and the arguments of `sysmt.hdl.params.protocol` as layouts."""

from amaranth.hdl import signed
from amaranth.lib import data

from sysmt.hdl.params.protocol import NONCE_BYTES, Command

RUN_WIDTH = 16
"""Bits of a run's number. Runs are numbered without gaps and wrap; the lowest bit says which halves a run uses."""


class RegistersArguments(data.Struct):
    """Words `first` to `first + count - 1`."""

    first: 8
    count: 8


class WriteArguments(data.Struct):
    """Words from `address` on, of the half that `run` will use; the words follow."""

    run: RUN_WIDTH
    target: 8
    address: 16


class RunArguments(data.Struct):
    """A matrix product over resident operands: `m_tiles` x `n_tiles` tiles of `steps` steps.

    `rows` and `cols` are the outputs that count in the last row and the last column of tiles; `threads` is a power of
    two, as in `sysmt.hdl.array.ports.Tile`.
    """

    run: RUN_WIDTH
    steps: 16
    m_tiles: 16
    n_tiles: 16
    rows: 16
    cols: 16
    threads: 8


class ReadFlags(data.Struct):
    """`requantize`: 8-bit values instead of 32-bit sums. `double`: the variant that rounds twice."""

    requantize: 1
    double: 1
    unused: 6


class ReadArguments(data.Struct):
    """`rows` rows of the results of `run` from row `first` on; `channel` is the table entry of their first column."""

    run: RUN_WIDTH
    first: 16
    rows: 16
    channel: 16
    zero_point: signed(16)
    low: signed(16)
    high: signed(16)
    flags: ReadFlags


ARGUMENTS = {
    Command.SYNC: data.ArrayLayout(8, NONCE_BYTES),
    Command.REGISTERS: RegistersArguments,
    Command.WRITE: WriteArguments,
    Command.RUN: RunArguments,
    Command.READ: ReadArguments,
}


class Channel(data.Struct):
    """Requantisation of one output channel; `shift` positive to the left, -31 to 30."""

    bias: signed(32)
    multiplier: 32
    shift: signed(8)


class Figures(data.Struct):
    """Counters of the controller since reset, wrapping.

    Members
    -------
    steps : steps that the array took.
    span : cycles from the first step to the last one of runs that follow one another without a gap.
    cycles : the same, to the last row of results.
    """

    steps: 32
    span: 32
    cycles: 32
