# SPDX-License-Identifier: Apache-2.0
"""The blocks that area and energy are told by: what a component, a part of one, or a register in one can belong to.

A component says its own block in the class attribute `block`, and in `parts` that of submodules which have none of
their own; a register that belongs to another block than its module says so where it is made (`owned_by`). Emission
writes all of it into the manifest, under `modules`, and the silicon flow reads it there.
"""

from sysmt.base.errors import ConfigError

BLOCKS: dict[str, str] = {
    "multiplier": "products of the PEs, up to the sum of a step",
    "accumulator": "the partial sum of every PE and its adder",
    "registers": "operands and control on their way through the PEs",
    "drain": "the way of results out of the array",
    "control": "sequencers, state machines, and what no other block of theirs owns",
    "edge": "what activations go through once, at the edge of the array (SPARQ: trimming)",
    "skew": "delay lines in front of the array",
    "buffers": "operand and result memories, with their address counters",
    "counters": "performance counters",
    "im2col": "addresses, transposition and pooling of what a layer reads",
    "requantizer": "sums to 8 bits, and the reading of results",
    "link": "UART, frames and commands of the host",
    "host registers": "identity, status and counters as the host reads them",
    "storage": "tags and lines of the data cache",
    "write buffer": "stores on their way to memory",
    "zero detector": "which words and lines are zero",
    "null cache": "the Address Merger and what decides who leaves",
    "tcam": "ternary entries and their comparators",
    "memory controller": "what reads and writes external memory",
    "other": "what is in no module that says its block",
}
"""Name -> what it holds, in the order of reports."""

ATTRIBUTE = "sysmt.block"
"""Attribute of a signal on its way from the component to the manifest; it never reaches the Verilog."""


def owned_by(block: str | None) -> dict[str, str]:
    """Attributes for a `Signal` whose registers belong to `block`; none for None: the block of the module."""
    return {} if block is None else {ATTRIBUTE: known(block)}


def known(block: str) -> str:
    """The block itself, refused when it is none of `BLOCKS`."""
    if block not in BLOCKS:
        raise ConfigError(f"block must be one of {', '.join(BLOCKS)}, not {block!r}")
    return block
