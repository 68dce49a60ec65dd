# SPDX-License-Identifier: Apache-2.0
"""Programs whose weights lie in an SDRAM: cut into chunks, layers that are too large into parts.

A chunk is half of the weight memory at most, and chunks take the halves in turn. A layer whose weights are more than
one chunk becomes several, each of which computes some of the output channels from the same input.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR, Memory, Operation
from sysmt.hdl.params.stream import CHUNK
from sysmt.sim.nn.forward import Plan
from sysmt.sim.nn.network import Network

from .compiler import compile_network
from .legal import patch_size
from .program import Program, ProgramLayer


def compile_streamed(
    network: Network,
    plan: Plan,
    config: EngineConfig,
    *,
    exact: Plan | None = None,
    clock_hz: float | None = None,
) -> Program:
    """Compile a network for an engine with an SDRAM, which holds its weights; as `compile_network`."""
    roomy = replace(config, stream=None, weight_words=1 << 20, layers=1024)
    return streamed(compile_network(network, plan, roomy, exact=exact, clock_hz=clock_hz), config)


def streamed(program: Program, config: EngineConfig) -> Program:
    """`program` with its weights in the SDRAM of `config`.

    Parameters
    ----------
    program : Program
        For an engine that differs from `config` in `stream`, `chunks`, `weight_words` and `layers` only.
    config : EngineConfig

    Raises
    ------
    UserError
        A layer's weights cannot be cut into chunks that fit, or there are more chunks or layers than the engine holds.
    """
    if config.weight_stream is None:
        raise UserError("stream must be an SDRAM for weights to be read from it, not None")
    half = config.weight_words // 2
    descriptors: list[bytes] = []
    layers: list[ProgramLayer] = []
    chunks: list[np.ndarray] = []
    for layer, fields in zip(program.layers, program.descriptors, strict=True):
        if fields["operation"] != Operation.MATMUL:
            descriptors.append(DESCRIPTOR.pack(**fields))
            layers.append(layer)
            continue
        parts = list(_parts(fields, config, half, layer.name))
        for number, (part, base, count) in enumerate(parts):
            chunk = {"w_base": half * (len(chunks) % 2), "waits_chunk": 1, "frees_chunk": 1}
            descriptors.append(DESCRIPTOR.pack(**part | chunk))
            layers.append(_named(layer, number, len(parts), part, fields))
            chunks.append(program.images[Memory.WEIGHTS][base : base + count])
    for name, number, most in (("layers", len(layers), config.layers), ("chunks", len(chunks), config.chunks)):
        if number > most:
            raise UserError(f"the network must have at most {most} {name}, not {number}, with its weights in the SDRAM")
    images: dict[Memory, np.ndarray] = program.images | {
        Memory.DESCRIPTORS: np.frombuffer(b"".join(descriptors), np.uint8).reshape(-1, 4),
        Memory.WEIGHTS: np.zeros((0, config.weight_bytes), np.uint8),
        **_memories(chunks, config),
    }
    exact = None if program.exact is None else streamed(program.exact, config)
    return replace(
        program, config=config, images={m: images[m] for m in Memory if m in images}, layers=tuple(layers), exact=exact
    )


def weights_of(fields: dict[str, int], config: EngineConfig) -> tuple[int, int]:
    """Words of weights of one tile of a matrix product, and the tiles that have weights of their own."""
    pe = config.array.pe
    words = -(-fields["steps"] * (pe.pairs_per_thread << fields["threads"]) // pe.products) * patch_size(fields)
    if fields["grouped"]:
        return words, (fields["groups"] - 1) * fields["n_tiles"] + fields["last_n_tiles"]
    return words, fields["last_n_tiles"] if fields["groups"] == 1 else fields["n_tiles"]


def _parts(
    fields: dict[str, int], config: EngineConfig, half: int, name: str
) -> Iterator[tuple[dict[str, int], int, int]]:
    """The layer in parts: descriptor, first word of the weights, words."""
    words, tiles = weights_of(fields, config)
    if words * tiles <= half:
        yield fields, fields["w_base"], words * tiles
        return
    # A depthwise layer is cut between groups, another one between its tiles of output channels.
    by_group = bool(fields["grouped"]) and fields["groups"] > 1
    unit = fields["n_tiles"] if by_group else 1
    at_once = half // (words * unit)
    if at_once == 0 or (not by_group and (fields["groups"] != 1 or fields["x_stride"])):
        raise UserError(
            f"layer {name!r} must have its weights in parts of {half * config.weight_bytes} bytes, half of the weight "
            f"memory, but the least part has {_least(fields, words, tiles, by_group) * config.weight_bytes}: use an "
            "engine with more weight_words"
        )
    units = fields["groups"] if by_group else tiles
    # Parts of one size: the last one is not over before the next layer's weights are there.
    at_once = -(-units // -(-units // at_once))
    each = config.beats if patch_size(fields) == 1 else patch_size(fields)
    for first in range(0, units, at_once):
        number = min(at_once, units - first)
        is_last = first + number == units
        begins, count = first * unit, min(number * unit, tiles - first * unit)
        part = fields | {
            "last_cols": fields["last_cols"] if is_last else config.array.cols,
            "parameter_base": fields["parameter_base"] + begins * each,
            "last": fields["last"] if is_last else 0,
        }
        if by_group:
            ends = fields["last_n_tiles"] if is_last else unit
            part |= {"groups": number, "last_n_tiles": ends, "in_origin": fields["in_origin"] + first}
        else:
            part |= {"n_tiles": number, "last_n_tiles": number}
        for tensor in ("out", "residual"):
            if tensor == "out" or fields["add"]:
                granule = fields[f"{tensor}_granule"] + begins
                part[f"{tensor}_base"] = fields[f"{tensor}_base"] + granule // config.granules
                part[f"{tensor}_granule"] = granule % config.granules
        yield part, fields["w_base"] + begins * words, count * words


def _least(fields: dict[str, int], words: int, tiles: int, by_group: bool) -> int:
    """Words of weights of the least part that a layer can be cut into."""
    if by_group:
        return words * fields["n_tiles"]
    return words if fields["groups"] == 1 and not fields["x_stride"] else words * tiles


def _named(layer: ProgramLayer, number: int, parts: int, part: dict[str, int], fields: dict[str, int]) -> ProgramLayer:
    if parts == 1:
        return layer
    share = layer.macs * _tiles(part) // _tiles(fields)
    return replace(layer, name=f"{layer.name} ({number + 1}/{parts})", macs=share)


def _tiles(fields: dict[str, int]) -> int:
    """Tiles of output channels."""
    return (fields["groups"] - 1) * fields["n_tiles"] + fields["last_n_tiles"]


def _memories(chunks: list[np.ndarray], config: EngineConfig) -> dict[Memory, np.ndarray]:
    """The list of chunks, and the words of the SDRAM."""
    stream = config.weight_stream
    assert stream is not None
    word_bytes = config.host_bytes["sdram"]
    size = stream.words_per_weight * word_bytes
    entries, address = [], 0
    for i, chunk in enumerate(chunks):
        entry = stream.chunk(
            address=address,
            first=config.weight_words // 2 * (i % 2),
            length=len(chunk),
            # Behind an odd number of chunks the first one follows a chunk in the same half.
            alone=i == 0 and len(chunks) % 2 == 1,
            last=i == len(chunks) - 1,
        )
        entries.append(entry.to_bytes(CHUNK.size, "little"))
        address += len(chunk) * stream.words_per_weight
    words = np.concatenate(chunks or [np.zeros((0, config.weight_bytes), np.uint8)])
    padded = np.pad(words, ((0, 0), (0, size - config.weight_bytes)))
    return {
        Memory.CHUNKS: np.frombuffer(b"".join(entries), np.uint8).reshape(-1, CHUNK.size),
        Memory.SDRAM: padded.reshape(-1, word_bytes),
    }


def sdram_bytes(program: Program) -> list[int]:
    """Bytes that every layer reads from the SDRAM; zeros for an engine without one."""
    stream = program.config.stream
    if stream is None:
        return [0] * len(program.layers)
    chunks = iter(CHUNK.unpack(entry.tobytes())["words"] for entry in program.images[Memory.CHUNKS])
    return [next(chunks) * stream.chip.width // 8 if layer["waits_chunk"] else 0 for layer in program.descriptors]
