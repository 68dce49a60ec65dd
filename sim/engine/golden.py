# SPDX-License-Identifier: Apache-2.0
"""The golden engine: executes the words of a program as the gates do, with the golden product of the array."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import PARAMETER, Memory, Operation
from sysmt.sim.golden.kind import golden_of
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.zero_point import column_share

from .legal import check_descriptor, patch_size
from .postprocess import rescaled
from .program import Program
from .streamed_memory import StreamedMemory
from .table import OutOfRangeError, Table, read_table

LayerObserver = Callable[[int, np.ndarray], None]
"""Is shown the number of a layer that has run, and the activation memories behind it: uint8 [B, words, bytes]."""
BATCH_BYTES = 2**26
"""Bytes of operands that are laid out at a time."""


@dataclass(frozen=True, eq=False)
class GoldenEngine:
    """Runs a program in numpy, any number of inputs at once.

    Parameters
    ----------
    program : Program
    stale : int, optional
        Seed of random bytes that lie in the operand buffer before every layer, where hardware has what earlier layers
        left; by default zeros. No result may depend on it.
    exact : bool
        Multiply exactly, with the network's own weights and biases: the network as its file has it.
    """

    program: Program
    stale: int | None = None
    exact: bool = False

    def run(self, inputs: np.ndarray, observe: LayerObserver | None = None) -> np.ndarray:
        """The network's outputs [B, ...] for its inputs [B, ...].

        Raises
        ------
        UserError
            An address, a table or a sum is out of range: the program is damaged.
        """
        if self.exact and self.program.exact is not None:
            return replace(self, program=self.program.exact).run(inputs, observe)
        program, config = self.program, self.program.config
        packed = program.activations(inputs)
        memory = np.zeros((len(inputs), config.activation_words, config.word_bytes), np.uint8)
        if program.input.sdram is None:
            base, size = program.input.place.base, program.input.place.size
            memory[:, base : base + size] = packed
        streamed = StreamedMemory(program, memory, packed)
        for index, layer in enumerate(program.descriptors):
            try:
                streamed.begin(layer)
                self._layer(layer, memory, streamed)
                streamed.end(layer)
            except OutOfRangeError as error:
                name = program.layers[index].name
                raise UserError(f"layer {index} ({name!r}) must {error}; {error.way_out}") from None
            if observe is not None:
                observe(index, memory)
        return program.unpack(program.output.place.words_of(memory))

    def _layer(self, layer: dict[str, int], memory: np.ndarray, streamed: StreamedMemory) -> None:
        check_descriptor(layer, self.program.config)
        matmul_layer = layer["operation"] == Operation.MATMUL
        table = self._table(layer) if matmul_layer else None
        for group in range(layer["groups"]):
            columns = self._columns(layer, memory, group)
            last = group == layer["groups"] - 1
            tiles = layer["last_n_tiles"] if last else layer["n_tiles"]
            if table is not None:
                sums = self._products(layer, columns, table, group, tiles, streamed.weights)
            else:
                sums = self._pooled(layer, columns, tiles)
            parameters = self._parameters(layer, streamed.parameters, group * layer["n_tiles"], tiles)
            self._write(layer, memory, sums, group, tiles, parameters)

    def _windows(self, layer: dict[str, int]) -> int:
        if layer["operation"] == Operation.MATMUL:
            return (layer["m_tiles"] - 1) * self.program.config.array.rows + layer["last_rows"]
        return layer["m_tiles"]

    def _columns(self, layer: dict[str, int], memory: np.ndarray, group: int) -> np.ndarray:
        """What lies under the windows: uint8 [B, pixels, taps, bytes of the words of one tap]."""
        y, x = np.divmod(np.arange(self._windows(layer)), layer["out_width"])
        taps = layer["kernel_h"] * layer["kernel_w"]
        down, across = np.divmod(np.arange(taps), layer["kernel_w"])
        rows = (y * layer["stride_h"] - layer["pad_top"])[:, None] + down * layer["dilation_h"]
        cols = (x * layer["stride_w"] - layer["pad_left"])[:, None] + across * layer["dilation_w"]
        inside = (rows >= 0) & (rows < layer["in_height"]) & (cols >= 0) & (cols < layer["in_width"])
        first = layer["in_origin"] + group * layer["group_words"]
        pixel = first + y * layer["pixel_y"] + x * layer["pixel_x"]
        address = pixel[:, None] + down * layer["tap_y"] + across * layer["tap_x"]
        words = address[:, :, None] + np.arange(layer["group_words"])
        if (words[inside] < 0).any() or (words[inside] >= memory.shape[1]).any():
            raise OutOfRangeError("read inside the activation memory")
        gathered = memory[:, np.where(inside[:, :, None], words, 0)]
        gathered[:, ~inside] = layer["pad_value"]
        return gathered.reshape(len(memory), len(y), taps, -1)

    def _table(self, layer: dict[str, int]) -> Table:
        config = self.program.config
        base, count = layer["scatter_base"], layer["scatter_words"]
        words = self.program.images[Memory.SCATTER][base : base + count]
        if len(words) != count:
            raise OutOfRangeError("have its scatter table inside the memory")
        groups = layer["kernel_h"] * layer["kernel_w"] * layer["group_words"]
        return read_table(words.tobytes(), groups, config)

    def _products(
        self, layer: dict[str, int], columns: np.ndarray, table: Table, group: int, tiles: int, weights: np.ndarray
    ) -> np.ndarray:
        """Sums of a group's tiles: int64 [B, pixels, tiles * cols]."""
        config, array = self.program.config, self.program.config.array
        batch, pixels = columns.shape[:2]
        steps, threads, cols = layer["steps"], 1 << layer["threads"], array.cols
        zero = layer["pad_value"] if array.pe.zero_width else 0
        words = -(-steps * threads * array.pe.pairs_per_thread // array.pe.products)
        # Parts, of a layer with patches, are tiles of their own.
        tiles *= patch_size(layer)
        places = golden_of(array.pe).k_order(threads * array.pe.pairs_per_thread * steps, array.pe, threads)
        length = int(places.max()) + 1
        sums = np.zeros((batch, pixels, tiles * cols), np.int64)
        at_once = max(1, BATCH_BYTES // (pixels * config.x_depth * array.pe.products))
        for start in range(0, batch, at_once):
            part = columns[start : start + at_once].reshape(-1, columns.shape[2] * columns.shape[3])
            buffer = self._buffer(part, table, zero)
            # Tiles that read the same operands are one product.
            together = tiles if layer["x_stride"] == 0 else 1
            for n in range(0, tiles, together):
                first = n * layer["x_stride"]
                if first + words > config.x_depth:
                    raise OutOfRangeError("read inside the operand buffer")
                x = np.full((len(part), length), zero, np.uint8)
                x[:, places] = unpacked(buffer[:, :, first : first + words], len(places), steps)
                w = np.concatenate(
                    [self._weights(weights, layer, group, n + i, places) for i in range(together)], axis=1
                )
                if self.exact:
                    product = (x.astype(np.float64) - zero) @ w.astype(np.float64)  # below 2**53: exact
                else:
                    # What is missing in sums of distances is in the biases.
                    product = matmul(x, w, array.pe, threads, False, zero).sums - column_share(w, zero)
                sums[start : start + at_once, :, n * cols : (n + together) * cols] = product.reshape(
                    -1, pixels, together * cols
                )
        return sums

    def _buffer(self, columns: np.ndarray, table: Table, zero: int) -> np.ndarray:
        """The operand buffer of every pixel: uint8 [pixels, pairs, steps]; `zero`: a step without an operand."""
        config = self.program.config
        shape = (len(columns), config.array.pe.products, config.x_depth)
        if self.stale is None:
            buffer = np.zeros(shape, np.uint8)
        else:
            buffer = np.random.default_rng(self.stale).integers(0, 256, shape, np.uint8)
        wanted = table.column >= 0
        buffer[:, table.pair, table.step] = zero
        buffer[:, table.pair[wanted], table.step[wanted]] = columns[:, table.column[wanted]]
        return buffer

    def _weights(
        self, weights: np.ndarray, layer: dict[str, int], group: int, n: int, places: np.ndarray
    ) -> np.ndarray:
        """The weights of a tile: int8 [K, cols]."""
        array, steps = self.program.config.array, layer["steps"]
        count = -(-steps * len(places) // array.pe.products)
        first = group * layer["n_tiles"] * patch_size(layer) if layer["grouped"] else 0
        base = layer["w_base"] + (first + n) * count
        words = weights[base : base + count]
        if len(words) != count:
            raise OutOfRangeError("have its weights inside the memory")
        threads = 1 << layer["threads"]
        by_pair = golden_of(array.pe).w_read(words.view(np.uint8), array.w_lanes, array.pe, threads)[:, : array.cols]
        w = np.zeros((int(places.max()) + 1, array.cols), np.int8)
        w[places] = unpacked(by_pair.transpose(1, 2, 0), len(places), steps).transpose(1, 2, 0)
        return w

    def _pooled(self, layer: dict[str, int], columns: np.ndarray, tiles: int) -> np.ndarray:
        """Sums or largest values under the windows: int64 [B, pixels, tiles * cols]."""
        width = tiles * self.program.config.array.cols
        if layer["operation"] == Operation.SUM:
            return columns[..., :width].sum(axis=2, dtype=np.int64)
        most: np.ndarray = columns[..., :width].max(axis=2)
        return most.astype(np.int64)

    def _write(
        self, layer: dict[str, int], memory: np.ndarray, sums: np.ndarray, group: int, tiles: int, parameters: bytes
    ) -> None:
        """Rescale sums and write them, tile by tile, into their parts of the words."""
        config, cols = self.program.config, self.program.config.array.cols
        first = group * layer["n_tiles"]
        if patch_size(layer) > 1:
            sums = patch_pixels(sums, config)
        exists, offsets = result_places(layer, config)
        parts = memory.reshape(len(memory), -1, cols)  # granule by granule

        def granules(base: int, offsets: np.ndarray, granule: int) -> np.ndarray:
            places = (base + offsets)[:, None] * config.granules + granule + first + np.arange(tiles)
            if places.max() >= parts.shape[1]:
                raise OutOfRangeError("write and add inside the activation memory")
            return places

        residual = None
        if layer["add"]:
            pixels = np.arange(sums.shape[1])
            held = parts[
                :, granules(layer["residual_base"], pixels * layer["residual_words"], layer["residual_granule"])
            ]
            residual = held.reshape(sums.shape)
        values = rescaled(layer, sums, parameters, residual)[:, exists]
        if group == layer["groups"] - 1:
            values[:, :, (tiles - 1) * cols + layer["last_cols"] :] = 0
        places = granules(layer["out_base"], offsets[exists], layer["out_granule"])
        parts[:, places] = values.reshape(len(memory), -1, tiles, cols)

    def _parameters(self, layer: dict[str, int], memory: np.ndarray, first: int, tiles: int) -> bytes:
        """Of the channels of `tiles` tiles from `first` on, one after the other."""
        config = self.program.config
        patch = patch_size(layer)
        each = config.beats if patch == 1 else patch
        base = layer["parameter_base"] + first * each
        words = memory[base : base + tiles * each]
        if len(words) != tiles * each:
            raise OutOfRangeError("have its parameters inside the memory")
        if patch == 1:
            return words.tobytes()
        # A word has the channels of a part again and again.
        return words[:, : config.patch_channels * PARAMETER.size].tobytes()


def result_places(layer: dict[str, int], config: EngineConfig) -> tuple[np.ndarray, np.ndarray]:
    """Of every result of a channel in their order: whether it is a pixel of the output, and words to there from the
    first pixel: bool, int64 [results]."""
    rows = config.array.rows if layer["operation"] == Operation.MATMUL else 1
    count = (layer["m_tiles"] - 1) * rows + layer["last_rows"]
    if patch_size(layer) == 1:
        return np.ones(count, bool), np.arange(count) * layer["out_words"]
    high, wide = 1 << layer["patch_h"], 1 << layer["patch_w"]
    patch, inside = np.divmod(np.arange(count * high * wide), high * wide)
    down, across = np.divmod(patch, layer["out_width"])
    y, x = np.divmod(inside, wide)
    exists = ((down != layer["patch_rows"] - 1) | (y <= layer["edge_h"])) & (
        (across != layer["out_width"] - 1) | (x <= layer["edge_w"])
    )
    return exists, (down * high + y) * layer["out_row"] + (across * wide + x) * layer["out_words"]


def patch_pixels(sums: np.ndarray, config: EngineConfig) -> np.ndarray:
    """Sums of parts [B, patches, tiles * parts * cols] as those of pixels [B, patches * pixels, tiles * cols]."""
    batch, patches, columns = sums.shape
    patch, channels = config.patch, config.patch_channels
    apart = sums.reshape(batch, patches, -1, patch, patch, channels)  # tile, part, pixel, channel
    return apart.transpose(0, 1, 4, 2, 3, 5).reshape(batch, patches * patch, columns // patch)


def unpacked(words: np.ndarray, running: int, steps: int) -> np.ndarray:
    """Operands [n, pairs, words] as the `running` pairs that run take them: [n, running, steps]."""
    n, pairs, count = words.shape
    by_step = words.reshape(n, pairs // running, running, count).transpose(0, 2, 3, 1)
    return by_step.reshape(n, running, -1)[:, :, :steps]
