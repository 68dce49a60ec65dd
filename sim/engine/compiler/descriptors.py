# SPDX-License-Identifier: Apache-2.0
"""The words of a program: descriptors, weights, scatter tables and parameters of every layer, behind each other."""

from dataclasses import dataclass, field

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR, PARAMETER, Memory
from sysmt.hdl.params.scatter import scatter_word
from sysmt.sim.engine.layer import DoesNotFitError, EngineLayer
from sysmt.sim.engine.transfer import Place

from .operands import operands
from .scatter import scatter_table


@dataclass
class Words:
    """Memories that fill up, layer by layer; equal tables, parameters and weights are stored once."""

    config: EngineConfig
    descriptors: list[bytes] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    scatter: list[int] = field(default_factory=list)
    parameters: list[bytes] = field(default_factory=list)
    known: dict[tuple[int, ...] | bytes, int] = field(default_factory=dict)
    stored: dict[bytes, int] = field(default_factory=dict)

    def layer(
        self, layer: EngineLayer, source: Place, target: Place, residual: Place | None, *, ends: dict[str, int]
    ) -> None:
        """Append one layer; `ends` are the fields `from_input`, `to_output` and `last`."""
        config, array = self.config, self.config.array
        first_word = int(source.positions.min()) // config.word_bytes
        words = int(source.positions.max()) // config.word_bytes + 1 - first_word
        inputs = source.positions - first_word * config.word_bytes
        # Of a layer that works channel by channel, the output lies as its input does.
        by_channel = layer.product is None or layer.product.depthwise
        multiple = layer.outputs // layer.channels if by_channel else 1
        own = inputs if by_channel and multiple == 1 else np.arange(layer.outputs)
        tiles = int(own.max()) // array.cols + 1
        n_tiles = min(config.granules * multiple, tiles) if by_channel else tiles
        groups = -(-tiles // n_tiles)
        rows = layer.window.out_size[0] * layer.window.out_size[1]
        fields = dict.fromkeys((name for name, f in DESCRIPTOR.fields.items() if not f.reserved), 0) | ends
        fields |= self._window(layer, source, first_word) | _patches(layer, target)
        fields |= {
            "operation": int(layer.operation),
            "double": int(layer.rescaling.double),
            "group_words": 1 if by_channel else words,
            "last_rows": (rows - 1) % array.rows + 1 if layer.product else 1,
            "m_tiles": -(-rows // array.rows) if layer.product else rows,
            "groups": groups,
            "n_tiles": n_tiles,
            "last_n_tiles": tiles - (groups - 1) * n_tiles,
            "last_cols": int(own.max()) % array.cols + 1,
            "out_base": target.base,
            "out_granule": int(target.positions[0] - own[0]) // array.cols,
            "out_half": target.half,
            "out_words": target.words,
            "zero_point": layer.rescaling.zero_point,
            "low": layer.rescaling.low,
            "high": layer.rescaling.high,
        }
        if layer.product is not None:
            fields |= self._product(layer, inputs, 1 if by_channel else words)
        fields["parameter_base"] = self._parameters(layer, own, tiles)
        if layer.addition is not None and residual is not None:
            fields |= self._addition(layer, residual, own)
        try:
            self.descriptors.append(DESCRIPTOR.pack(**fields))
        except ValueError as error:
            raise UserError(f"layer {layer.name!r} cannot run on the engine: {error}") from None

    def _window(self, layer: EngineLayer, source: Place, first_word: int) -> dict[str, int]:
        geometry, words = layer.window, source.words
        (top, _), (left, _) = geometry.padding
        height, width = geometry.size
        return {
            "pad_value": layer.pad_value,
            "in_origin": source.base + first_word - (top * width + left) * words,
            "in_words": words,
            "in_half": source.half,
            "in_height": height,
            "in_width": width,
            "kernel_h": geometry.kernel[0],
            "kernel_w": geometry.kernel[1],
            "stride_h": geometry.stride[0],
            "stride_w": geometry.stride[1],
            "dilation_h": geometry.dilation[0],
            "dilation_w": geometry.dilation[1],
            "pad_top": top,
            "pad_left": left,
            "tap_x": geometry.dilation[1] * words,
            "tap_y": geometry.dilation[0] * width * words,
            "pixel_x": geometry.stride[1] * words,
            "pixel_y": geometry.stride[0] * width * words,
            "out_width": geometry.out_size[1],
        }

    def _product(self, layer: EngineLayer, inputs: np.ndarray, words: int) -> dict[str, int]:
        assert layer.product is not None
        config = self.config
        laid = operands(layer, layer.product, inputs, config)
        if laid.x_words > config.x_depth:
            raise UserError(
                f"layer {layer.name!r} must take at most x_depth = {config.x_depth} words of the operand buffer, not "
                f"{laid.x_words}; deepen it or use more threads"
            )
        pe, running = config.array.pe, laid.threads * config.array.pe.pairs_per_thread
        if laid.steps > pe.k_max // running:
            raise UserError(
                f"layer {layer.name!r} must add at most {pe.k_max} products with acc_width = {pe.acc_width}, not "
                f"{laid.steps * running}; widen it, or let the host add parts (`sysmt infer`)"
            )
        table = scatter_table(laid, layer.window.taps, words, config)
        if table not in self.known:
            self.known[table] = len(self.scatter)
            self.scatter += table
        weights = laid.weights.reshape(-1, config.weight_bytes)
        content = weights.tobytes()
        if content not in self.stored:
            self.stored[content] = sum(map(len, self.weights))
            self.weights.append(weights)
        return {
            "threads": laid.threads.bit_length() - 1,
            "grouped": int(layer.product.depthwise),
            "steps": laid.steps,
            "x_stride": laid.x_stride,
            "w_base": self.stored[content],
            "scatter_base": self.known[table],
            "scatter_words": len(table),
        }

    def _parameters(self, layer: EngineLayer, own: np.ndarray, tiles: int) -> int:
        """Append the parameters of every channel, byte by byte of the output's tiles; returns the first word."""
        config, rescaling = self.config, layer.rescaling
        blank = PARAMETER.pack(bias=0, multiplier=0, shift=0)
        channels = [blank] * (tiles * config.array.cols)
        columns = zip(own, rescaling.bias, rescaling.multiplier, rescaling.shift, strict=True)
        for at, bias, multiplier, shift in columns:
            channels[int(at)] = PARAMETER.pack(bias=int(bias), multiplier=int(multiplier), shift=int(shift))
        if layer.patch != (1, 1):
            # Of every part one word, in which the channels of a pixel come again for the next.
            each = config.patch_channels
            parts = [channels[at : at + each] for at in range(0, len(channels), each)]
            channels = [channel for part in parts for channel in part * (config.lanes // each)]
        content = b"".join(channels)
        if content not in self.known:
            self.known[content] = sum(map(len, self.parameters)) // (PARAMETER.size * config.lanes)
            self.parameters.append(content)
        return self.known[content]

    def _addition(self, layer: EngineLayer, residual: Place, own: np.ndarray) -> dict[str, int]:
        addition, cols = layer.addition, self.config.array.cols
        assert addition is not None
        granule, rest = divmod(int(residual.positions[0] - own[0]), cols)
        if rest or granule < 0 or not np.array_equal(residual.positions - granule * cols, own):
            raise UserError(
                f"layer {layer.name!r} adds a tensor that lies otherwise in memory than its own; cut the model"
            )
        return {
            "add": 1,
            "add_double": 1,
            "residual_base": residual.base,
            "residual_granule": granule,
            "residual_words": residual.words,
            "add_zero_point": addition.zero_point,
            "add_low": addition.low,
            "add_high": addition.high,
            "main_zero": addition.main_zero,
            "residual_zero": addition.residual_zero,
            "main_multiplier": addition.main[0],
            "residual_multiplier": addition.other[0],
            "add_multiplier": addition.total[0],
            "main_shift": addition.main[1],
            "residual_shift": addition.other[1],
            "add_shift": addition.total[1],
        }

    def memories(self, over: list[str]) -> dict[Memory, np.ndarray]:
        """The words of every memory; refused where they do not fit, or anything in `over` does not."""
        found = self._images()
        over += self._missing(found)
        if over:
            raise DoesNotFitError(
                f"the network must fit into the engine's memories: {'; '.join(over)}; use a larger engine"
            )
        return found

    @property
    def fit(self) -> bool:
        """Whether they fit into the engine's memories."""
        return not self._missing(self._images())

    def _missing(self, images: dict[Memory, np.ndarray]) -> list[str]:
        missing = []
        for memory, words in images.items():
            name = memory.name.lower()
            _, depth = self.config.memories[name]
            if len(words) > depth:
                missing.append(f"{name} take {words.size} bytes, the engine has {depth * words.shape[1]}")
        return missing

    def _images(self) -> dict[Memory, np.ndarray]:
        config = self.config
        scatter_bytes = scatter_word(config).size
        return {
            Memory.DESCRIPTORS: np.frombuffer(b"".join(self.descriptors), np.uint8).reshape(-1, 4),
            Memory.SCATTER: np.frombuffer(
                b"".join(word.to_bytes(scatter_bytes, "little") for word in self.scatter), np.uint8
            ).reshape(-1, scatter_bytes),
            Memory.WEIGHTS: np.concatenate(self.weights or [np.zeros((0, config.weight_bytes), np.int8)]).view(
                np.uint8
            ),
            Memory.PARAMETERS: np.frombuffer(b"".join(self.parameters), np.uint8).reshape(
                -1, PARAMETER.size * config.lanes
            ),
        }


def _patches(layer: EngineLayer, target: Place) -> dict[str, int]:
    """Fields that only a layer with patches has."""
    if layer.patch == (1, 1):
        return {}
    lowering = layer.lowering
    edge = [(size - 1) % patch for size, patch in zip(lowering.out_size, layer.patch, strict=True)]
    return {
        "patch_h": layer.patch[0].bit_length() - 1,
        "patch_w": layer.patch[1].bit_length() - 1,
        "edge_h": edge[0],
        "edge_w": edge[1],
        "patch_rows": lowering.patches[0],
        "out_row": lowering.out_size[1] * target.words,
    }
