# SPDX-License-Identifier: Apache-2.0
"""The scatter table of the engine: where the columns of an im2col matrix go in the operand buffer."""

from .engine import EngineConfig
from .fields import Field, PackedRecord


def scatter_word(config: EngineConfig) -> PackedRecord:
    """One word of the table, for compiler and gates.

    The channels of a tap and channel word are columns of the im2col matrix. They arrive `fill` at a time, in order of
    channels: `array.rows` chunks. Every word of the table takes a cycle and says where the columns of the chunk at hand
    go; entry i is about column i. The operand of step s and pair p of pixel r is byte r of column (p, s).

    - `advance`: the next word is about the next chunk; else about the same one, for columns that could not be written
      together or go to several places.
    - `last`: the next word belongs to the next tap and channel word; chunks that are left are dropped. One of the two
      is set in the last word about a chunk, `last` alone in the last word about the last chunk.
    - `valid_<i>`: something is written to step `step_<i>` of operand pair `pair_<i>`: the column or, with `zero_<i>`,
      zeros (a step without an operand); where PEs take a zero point off, the layer's `pad_value` in place of zeros.

    Entries of one word that are valid differ in (pair, step % fill): those are the banks of the operand buffer.

    Parameters
    ----------
    config : EngineConfig
        Its memory `scatter` holds such words.
    """
    entries: list[Field] = []
    for i in range(config.fill):
        entries += [
            Field(f"valid_{i}", 1, "Something is written."),
            Field(f"zero_{i}", 1, "Zeros instead of the column."),
            Field(f"pair_{i}", config.pair_bits, "Operand pair of the step."),
            Field(f"step_{i}", config.step_bits, "Step of the tile."),
        ]
    return PackedRecord(
        Field("last", 1, "The last word of this tap and channel word."),
        Field("advance", 1, "The next word is about the next chunk."),
        *entries,
    )
