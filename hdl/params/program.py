# SPDX-License-Identifier: Apache-2.0
"""The program of the engine: layer descriptors and the words of its tables, for hardware, compiler and host alike.

A layer is one descriptor. With `g` a group of channel words, `m` a tile of output pixels, `n` a tile of output
channels, the engine does::

    for g in groups:
        for m in m_tiles:
            fill: for ky, kx, word in kernel_h x kernel_w x group_words:
                      read that word of the input pixel under tap (ky, kx), for each pixel of the tile; `pad_value`
                      outside the image; every channel of it is a column of the im2col matrix, and the scatter table
                      says which operand pair and step it becomes
            for n in n_tiles:                                       (of the last group: last_n_tiles)
                tile of `steps` steps in `words` words of operands: activations from n * x_stride in the buffer,
                                       weights from w_base + (g * n_tiles + n if grouped else n) * words
                rows of sums -> requantise (parameters of tile g * n_tiles + n) -> clamp -> [+ residual -> clamp]
                -> output pixel, channels of tile g * n_tiles + n

In a layer with patches (`patch_h`, `patch_w`: depthwise, of an engine with `patch` > 1) a row of a tile is not one
output pixel but a patch of `patch` of them, and everything above that counts windows, rows or pixels counts patches. A
tile n is then computed in `patch` parts, each of `cols / patch` channels::

    for part in patch:  tile of steps, activations from (n * patch + part) * x_stride in the buffer,
                                       weights from w_base + ((g * n_tiles + n) * patch + part) * words
                        sums: column q * (cols / patch) + c is channel c of the part at pixel q of the patch, row by row

They share parameters: a part has one word of them. Pixels of patches that hang over the edge of the output (`edge_h`,
`edge_w`) are not written.

A word of operands has the pairs of all threads of the array. On fewer threads it holds several steps: with R times as
many threads as run, words = ceil(steps / R), and step s is in word s / R, its threads behind those of the s mod R steps
before it.

A matrix product has a tile of `array.rows` pixels, a pooling one of one pixel, which takes one word after the other
and sums it up, or keeps the largest values, instead of filling: its rows of sums go the same way.

Activations are unsigned bytes in memory: int8 values plus 128, as the array multiplies them. Pixels lie one after the
other, row by row (NHWC), each in whole words; channels beyond the last one are padding.
"""

import enum

from .fields import Field, PackedRecord
from .protocol import CHANNEL

PROGRAM_VERSION = 2
HALF = 1 << 30
"""A multiplier of 1/2."""
PARAMETER = CHANNEL
"""Requantisation of one output channel; a word of the parameter memory holds one per lane, the first lowest."""


class Operation(enum.IntEnum):
    """What a layer does with the windows of its input."""

    MATMUL = 0
    """Matrix product on the array: convolution, depthwise convolution, fully connected layer."""
    SUM = 1
    """Sum over the window, per channel: average pooling and MEAN with the requantiser's scale."""
    MAX = 2
    """Largest value in the window, per channel."""


class Memory(enum.IntEnum):
    """Memories that the host writes, and their numbers."""

    DESCRIPTORS = 0
    SCATTER = 1
    WEIGHTS = 2
    PARAMETERS = 3
    ACTIVATIONS = 4
    CHUNKS = 5
    """The list of chunks of weights (`sysmt.hdl.params.stream`), of an engine with an SDRAM."""
    SDRAM = 6
    """The SDRAM itself."""


class EngineError(enum.IntEnum):
    """Why the engine stopped."""

    NONE = 0
    DESCRIPTOR = 1
    """A descriptor that cannot be run: a count of zero, more steps than the buffer holds, threads that the PE lacks."""
    ADDRESS = 2
    """An address outside its memory."""
    OVERFLOW = 3
    """A sum beyond 32 bits in a requantiser."""
    ARRAY = 4
    """The array refused a tile."""

    @property
    def way_out(self) -> str:
        """What a user does about it."""
        if self == EngineError.OVERFLOW:
            return "a sum leaves 32 bits; rescale the layer"
        return "the program is damaged; load it again"


DESCRIPTOR = PackedRecord(
    Field("operation", 2, "What the layer does (`Operation`)."),
    Field("threads", 2, "Threads to run on, as a power of two."),
    Field("grouped", 1, "Every group has weights of its own (depthwise); else all groups would share them."),
    Field("double", 1, "The requantiser's variant that rounds twice; else once."),
    Field("add", 1, "A residual is added behind the requantiser."),
    Field("add_double", 1, "The variant of the addition's requantisers."),
    Field("from_input", 1, "Reads the network's input: `in_origin` is of half 0; half 1 lies `in_half` words on."),
    Field("to_output", 1, "Writes the network's output: `out_base` is of half 0; half 1 lies `out_half` words on."),
    Field("waits_chunk", 1, "Starts when the next chunk of weights has come from the SDRAM."),
    Field("frees_chunk", 1, "Is the last layer that reads that chunk."),
    Field("patch_h", 2, "Pixels down of a patch, as a power of two."),
    Field("patch_w", 2, "Pixels across of a patch, as a power of two."),
    Field("edge_h", 3, "Pixels down that the lowest patches have of the output, less one."),
    Field("edge_w", 3, "Pixels across that the rightmost patches have of the output, less one."),
    Field("unused", 2, "Zero.", reserved=True),
    Field("pad_value", 8, "What lies outside the image: the zero point, which PEs with `zero_width` take off."),
    # The image.
    Field("in_origin", 24, "Word address of the first tap of output pixel (0, 0), padding counted.", signed=True),
    Field("in_words", 8, "Words per pixel that the tensor has: the next group's word is one further."),
    Field("in_half", 24, "Words from input half 0 to half 1."),
    Field("group_words", 8, "Words per pixel and tap of one fill."),
    Field("in_height", 16, "Rows of the image."),
    Field("in_width", 16, "Columns of the image."),
    # The window.
    Field("kernel_h", 16, "Taps down."),
    Field("kernel_w", 16, "Taps across."),
    Field("stride_h", 8, "Rows from one output pixel to the next."),
    Field("stride_w", 8, "Columns from one output pixel to the next."),
    Field("dilation_h", 8, "Rows from one tap to the next."),
    Field("dilation_w", 8, "Columns from one tap to the next."),
    Field("pad_top", 16, "Rows of padding above."),
    Field("pad_left", 16, "Columns of padding on the left."),
    Field("tap_x", 24, "Words from a tap to the next: dilation_w * in_words."),
    Field("tap_y", 24, "Words from a row of taps to the next: dilation_h * in_width * in_words."),
    Field("pixel_x", 24, "Words from an output pixel's first tap to the next one's: stride_w * in_words."),
    Field("pixel_y", 24, "The same from row to row: stride_h * in_width * in_words."),
    Field("out_row", 24, "With patches: words from a row of the output to the next."),
    Field("pixel_gap", 8, "Zero.", reserved=True),
    # Loops.
    Field("out_width", 16, "Output pixels in a row; with patches, those."),
    Field("last_rows", 16, "Pixels in the last tile of pixels."),
    Field("m_tiles", 24, "Tiles of pixels."),
    Field("loop_gap", 8, "Zero.", reserved=True),
    Field("groups", 16, "Groups of channel words."),
    Field("n_tiles", 16, "Tiles of output channels, in each group."),
    Field("last_n_tiles", 16, "The same of the last group."),
    Field("last_cols", 16, "Channels in the very last tile."),
    Field("steps", 16, "Steps of each tile."),
    Field("x_stride", 16, "Words of the operand buffer from one tile of channels to the next; 0: all read the same."),
    Field("w_base", 24, "First word of the weights."),
    Field("w_gap", 8, "Zero.", reserved=True),
    Field("scatter_base", 16, "First word of the scatter table (`sysmt.hdl.params.scatter`); every fill begins there."),
    Field("scatter_words", 16, "Words of the scatter table that one fill takes."),
    Field("patch_rows", 16, "With patches: rows of them."),
    Field("parameter_base", 16, "First word of the parameters; a tile has cols / lanes words."),
    # The output.
    Field("out_base", 24, "Word address of the output's first pixel."),
    Field("out_granule", 8, "Tiles before the first one in a word: where a concatenated part begins."),
    Field("out_half", 24, "Words from output half 0 to half 1."),
    Field("out_gap", 8, "Zero.", reserved=True),
    Field("out_words", 16, "Words per output pixel."),
    Field("zero_point", 16, "Added after scaling, in int8.", signed=True),
    Field("low", 16, "Smallest result, in int8.", signed=True),
    Field("high", 16, "Largest result, in int8.", signed=True),
    # The residual.
    Field("residual_base", 24, "Word address of the residual's first pixel."),
    Field("residual_granule", 8, "As `out_granule`."),
    Field("residual_words", 16, "Words per pixel of the residual."),
    Field("add_zero_point", 16, "Added after the addition's scaling, in int8.", signed=True),
    Field("add_low", 16, "Smallest sum, in int8.", signed=True),
    Field("add_high", 16, "Largest sum, in int8.", signed=True),
    Field("main_zero", 16, "Zero point of the layer's own result, taken off before the addition.", signed=True),
    Field("residual_zero", 16, "Zero point of the residual.", signed=True),
    Field("main_multiplier", 32, "Scale of the layer's own result in the addition, a 31-bit fraction."),
    Field("residual_multiplier", 32, "Scale of the residual. That of one of the two is 1/2: `HALF` and a shift of 0."),
    Field("add_multiplier", 32, "Scale of the sum."),
    Field("main_shift", 8, "Power of two of `main_multiplier`.", signed=True),
    Field("residual_shift", 8, "Power of two of `residual_multiplier`.", signed=True),
    Field("add_shift", 8, "Power of two of `add_multiplier`.", signed=True),
    Field("last", 1, "The program ends with this layer."),
    Field("end", 7, "Zero.", reserved=True),
)
"""One layer, as little-endian words of 32 bits in the descriptor memory."""

DESCRIPTOR_WORDS = -(-DESCRIPTOR.size // 4)
