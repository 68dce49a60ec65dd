# SPDX-License-Identifier: Apache-2.0
"""Random layers for the engine's post-processing, and what they must leave in the activation memory."""

from dataclasses import dataclass

import numpy as np

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR, HALF, PARAMETER, Operation
from sysmt.sim.golden.requantize import VARIANTS, Requantize, multiply
from sysmt.sim.nn.operators.arithmetic import ADD_SHIFT

SIGN = 0x80


@dataclass(frozen=True, eq=False)
class PostLayer:
    """A layer behind the array.

    Parameters
    ----------
    fields : dict
        Of the descriptor; those that are missing are 0.
    sums : int64 [tiles in the order of the loops, rows of a tile, cols]
        What the array gives, rows that are no pixels included.
    scaling : tuple of int64 [tiles of channels, cols]
        Bias, multiplier and shift.
    """

    fields: dict[str, int]
    sums: np.ndarray
    scaling: tuple[np.ndarray, np.ndarray, np.ndarray]

    def descriptor(self) -> int:
        names = [name for name, field in DESCRIPTOR.fields.items() if not field.reserved]
        return DESCRIPTOR.to_int(dict.fromkeys(names, 0) | self.fields)

    def rows(self) -> list[tuple[np.ndarray, bool]]:
        """Rows of sums in their order, and whether each is the last one of its tile."""
        return [(row, i == len(tile) - 1) for tile in self.sums for i, row in enumerate(tile)]

    def tiles(self, rows: int) -> list[tuple[int, int, int]]:
        """For every tile in the order of the loops: its first pixel, its pixels, its number among the channels."""
        f = self.fields
        size = rows if f["operation"] == Operation.MATMUL else 1
        out = []
        for group in range(f["groups"]):
            last_group = group == f["groups"] - 1
            for m in range(f["m_tiles"]):
                pixels = f["last_rows"] if m == f["m_tiles"] - 1 and size > 1 else size
                for n in range(f["last_n_tiles"] if last_group else f["n_tiles"]):
                    out.append((m * size, pixels, group * f["n_tiles"] + n))
        return out

    def parameters(self, config: EngineConfig) -> dict[int, int]:
        """Words of the parameter memory by address."""
        words = {}
        for tile, channels in enumerate(zip(*self.scaling, strict=True)):
            for beat in range(config.beats):
                word = 0
                for i in range(config.lanes):
                    bias, multiplier, shift = (int(values[beat * config.lanes + i]) for values in channels)
                    record = PARAMETER.to_int({"bias": bias, "multiplier": multiplier, "shift": shift})
                    word |= record << i * 8 * PARAMETER.size
                words[self.fields["parameter_base"] + tile * config.beats + beat] = word
        return words

    def apply(self, memory: np.ndarray, config: EngineConfig) -> int:
        """Write the layer's results into the bytes uint8 [words, granules, cols]; returns the number of rows."""
        f, count = self.fields, 0
        before = memory.copy()
        last_tile = (f["groups"] - 1) * f["n_tiles"] + f["last_n_tiles"] - 1
        for (first, pixels, tile), sums in zip(self.tiles(config.array.rows), self.sums, strict=True):
            bias, multiplier, shift = (values[tile] for values in self.scaling)
            requantize = Requantize(
                bias=bias,
                multiplier=multiplier,
                shift=shift,
                zero_point=f["zero_point"],
                low=f["low"],
                high=f["high"],
                variant=VARIANTS[f["double"]],
            )
            for r in range(pixels):
                codes = requantize(sums[r])
                if f["add"]:
                    word, part = place(f, "residual", first + r, tile, config)
                    codes = self._added(codes, (before[word, part] ^ SIGN).view(np.int8).astype(np.int64))
                if tile == last_tile:
                    codes[f["last_cols"] :] = -SIGN
                word, part = place(f, "out", first + r, tile, config)
                memory[word, part] = codes + SIGN
                count += 1
        return count

    def _added(self, main: np.ndarray, residual: np.ndarray) -> np.ndarray:
        f, variant = self.fields, VARIANTS[self.fields["add_double"]]
        total = sum(
            multiply((codes - f[f"{n}_zero"]) << ADD_SHIFT, f[f"{n}_multiplier"], f[f"{n}_shift"], variant)
            for n, codes in (("main", main), ("residual", residual))
        )
        scaled = multiply(np.asarray(total), f["add_multiplier"], f["add_shift"], variant)
        return np.clip(scaled + f["add_zero_point"], f["add_low"], f["add_high"])


def place(fields: dict[str, int], tensor: str, pixel: int, tile: int, config: EngineConfig) -> tuple[int, int]:
    """Word and part of a pixel's tile of channels."""
    granule = fields[f"{tensor}_granule"] + tile
    word = fields[f"{tensor}_base"] + pixel * fields[f"{tensor}_words"] + granule // config.granules
    return word, granule % config.granules


def random_layer(config: EngineConfig, random: np.random.Generator, **chosen: int) -> PostLayer:
    """A layer whose output lies in the lower half of the activation memory, and its residual there or in the upper."""

    def below(end: int) -> int:
        return int(random.integers(0, end))

    rows, cols = config.array.rows, config.array.cols
    f = {"operation": Operation.MATMUL if random.random() < 0.7 else Operation.SUM, "add": below(2)}
    f |= {
        "patch_h": 0,
        "patch_w": 0,
        "groups": 1 + below(3),
        "m_tiles": 1 + below(3),
        "n_tiles": 1 + below(3),
        "double": below(2),
    }
    f |= {"last_n_tiles": 1 + below(f["n_tiles"]), "last_rows": 1 + below(rows), "last_cols": 1 + below(cols)}
    f["zero_point"] = below(256) - 128
    f["low"], f["high"] = sorted((-128, 127) if below(2) else (below(256) - 128, below(256) - 128))
    f |= chosen
    tiles = (f["groups"] - 1) * f["n_tiles"] + f["last_n_tiles"]
    for tensor in ("out", "residual"):
        f[f"{tensor}_granule"] = below(2 * config.granules)
        f[f"{tensor}_words"] = -(-(f[f"{tensor}_granule"] + tiles) // config.granules) + below(2)
    f["parameter_base"] = below(config.parameter_words - tiles * config.beats + 1)
    half = config.activation_words // 2
    pixels = f["m_tiles"] * rows
    f["out_base"] = below(half - pixels * f["out_words"])
    f["residual_base"] = half + below(half - pixels * f["residual_words"])
    if below(2):
        f |= {f"residual_{name}": f[f"out_{name}"] for name in ("base", "granule", "words")}
    f |= {"add_double": below(2), "add_low": -128 + below(20), "add_high": 127 - below(20)}
    f |= {name: below(256) - 128 for name in ("add_zero_point", "main_zero", "residual_zero")}
    for name, shift in (("main", -below(4)), ("residual", -below(4)), ("add", -17 - below(3))):
        f |= {f"{name}_multiplier": 2**30 + below(2**30), f"{name}_shift": shift}
    half = ("main", "residual")[below(2)]
    f |= {f"{half}_multiplier": HALF, f"{half}_shift": 0}
    size = rows if f["operation"] == Operation.MATMUL else 1
    count = f["m_tiles"] * tiles
    sums = random.integers(-(2**19), 2**19, (count, size, cols)) >> random.integers(0, 16, (count, size, cols))
    scaling = (
        random.integers(-(2**12), 2**12, (tiles, cols)),
        random.integers(2**30, 2**31, (tiles, cols)),
        random.integers(-12, -4, (tiles, cols)),
    )
    return PostLayer(f, sums, scaling)
