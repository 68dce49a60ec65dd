# SPDX-License-Identifier: Apache-2.0
"""Programs whose weights lie in an SDRAM: cut into chunks, layers that are too large into parts.

A chunk is half of the weight memory at most, and chunks take the halves in turn. Parameters come the same way where
they do not fit into their memory. A layer that takes more than one chunk becomes several, each of which computes some
of the output channels from the same input.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR, Memory, Operation
from sysmt.sim.nn.forward import Plan
from sysmt.sim.nn.network import Network

from .chunk_list import ChunkList, Source
from .chunks import chunks_of
from .compiler import compile_banded
from .legal import patch_size
from .program import Program, ProgramLayer


@dataclass(frozen=True, kw_only=True)
class _Halves:
    """Words of the memories that a chunk may take; None of parameters that are all there from the start."""

    weights: int
    parameters: int | None


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A part of a layer: its descriptor, and the words that it reads: the first one, and how many."""

    fields: dict[str, int]
    weights: tuple[int, int]
    parameters: tuple[int, int]


def compile_streamed(
    network: Network,
    plan: Plan,
    config: EngineConfig,
    *,
    exact: Plan | None = None,
    clock_hz: float | None = None,
) -> Program:
    """Compile a network for an engine with an SDRAM, which holds its weights; as `compile_network`."""
    roomy = replace(config, stream=None, weight_words=1 << 20, parameter_words=1 << 16, layers=1024)
    assert config.weight_stream is not None
    may_arrive = Memory.ACTIVATIONS in config.weight_stream.targets
    compiled = compile_banded(network, plan, roomy, exact=exact, clock_hz=clock_hz, may_arrive=may_arrive)
    return streamed(compiled.program, config, compiled.arriving)


def streamed(program: Program, config: EngineConfig, arriving: Mapping[int, Source] | None = None) -> Program:
    """`program` with its weights in the SDRAM of `config`, and with its parameters where they do not fit on chip.

    Parameters
    ----------
    program : Program
        For an engine that differs from `config` in `stream`, `chunks`, `weight_words`, `parameter_words` and `layers`
        only.
    config : EngineConfig
    arriving : mapping of int to Source, optional
        Words of the input that come from the SDRAM for a layer: then all of it lies there.

    Raises
    ------
    UserError
        A layer cannot be cut into chunks that fit, or there are more chunks or layers than the engine holds.
    """
    if config.weight_stream is None:
        raise UserError("stream must be an SDRAM for weights to be read from it, not None")
    parameters = program.images[Memory.PARAMETERS]
    stay = len(parameters) <= config.parameter_words
    halves = _Halves(weights=config.weight_words // 2, parameters=None if stay else config.parameter_words // 2)
    descriptors: list[dict[str, int]] = []
    layers: list[ProgramLayer] = []
    chunks = ChunkList(config, program.images)
    for at, (layer, fields) in enumerate(zip(program.layers, program.descriptors, strict=True)):
        if fields["operation"] != Operation.MATMUL and stay:
            descriptors.append(fields)
            layers.append(layer)
            continue
        parts = list(_parts(fields, config, halves, layer.name))
        for number, part in enumerate(parts):
            taken = {"waits_chunk": 1, "frees_chunk": 1}
            begin = {}
            if halves.parameters is not None:
                taken["parameter_base"] = begin[Memory.PARAMETERS] = halves.parameters * (len(chunks) % 2)
            if part.weights[1]:
                taken["w_base"] = begin[Memory.WEIGHTS] = halves.weights * (len(chunks) % 2)
            read = {Memory.PARAMETERS: part.parameters, Memory.WEIGHTS: part.weights}
            rows = {Memory.ACTIVATIONS: arriving[at]} if arriving and at in arriving and number == 0 else {}
            chunks.append(rows | {memory: (*read[memory], first) for memory, first in begin.items()})
            descriptors.append(part.fields | taken)
            layers.append(_named(layer, number, len(parts), part.fields, fields))
    if arriving:
        # Behind the last chunk come the first rows of the input, which may lie where the last layers read and write.
        frees = max(at for at, fields in enumerate(descriptors) if fields["frees_chunk"])
        descriptors[frees] |= {"frees_chunk": 0}
        descriptors[-1] |= {"frees_chunk": 1}
    for name, number, most in (("layers", len(layers), config.layers), ("chunks", chunks.entries, config.chunks)):
        if number > most:
            raise UserError(f"the network must have at most {most} {name}, not {number}, with its weights in the SDRAM")
    images: dict[Memory, np.ndarray] = program.images | {
        Memory.DESCRIPTORS: np.frombuffer(
            b"".join(DESCRIPTOR.pack(**fields) for fields in descriptors), np.uint8
        ).reshape(-1, 4),
        Memory.WEIGHTS: np.zeros((0, config.weight_bytes), np.uint8),
        Memory.PARAMETERS: parameters if stay else parameters[:0],
        **chunks.images(),
    }
    exact = None if program.exact is None else streamed(program.exact, config, arriving)
    return replace(
        program,
        config=config,
        images={m: images[m] for m in Memory if m in images},
        layers=tuple(layers),
        input=replace(program.input, sdram=chunks.input_address) if arriving else program.input,
        exact=exact,
    )


def weights_of(fields: dict[str, int], config: EngineConfig) -> tuple[int, int]:
    """Words of weights of one tile, none of a pooling layer, and the tiles that have weights of their own."""
    if fields["operation"] != Operation.MATMUL:
        return 0, 0
    pe = config.array.pe
    words = -(-fields["steps"] * (pe.pairs_per_thread << fields["threads"]) // pe.products) * patch_size(fields)
    if fields["grouped"]:
        return words, (fields["groups"] - 1) * fields["n_tiles"] + fields["last_n_tiles"]
    return words, fields["last_n_tiles"] if fields["groups"] == 1 else fields["n_tiles"]


def _parts(fields: dict[str, int], config: EngineConfig, halves: _Halves, name: str) -> Iterator[_Part]:
    """The layer in parts."""
    words, tiles = weights_of(fields, config)
    channels = tiles_of(fields)
    each = config.beats if patch_size(fields) == 1 else patch_size(fields)
    if words * tiles <= halves.weights and (halves.parameters is None or each * channels <= halves.parameters):
        yield _Part(
            fields=fields,
            weights=(fields["w_base"], words * tiles),
            parameters=(fields["parameter_base"], each * channels),
        )
        return
    # Of a layer that works channel by channel, groups are apart; another one is cut between its output channels.
    pooling = fields["operation"] != Operation.MATMUL
    by_group = (pooling or bool(fields["grouped"])) and fields["groups"] > 1
    unit = fields["n_tiles"] if by_group else 1
    whole = not by_group and (pooling or fields["groups"] != 1 or fields["x_stride"] != 0)
    at_once = halves.weights // (words * unit) if words else channels
    if at_once == 0 or (whole and words * tiles > halves.weights):
        raise UserError(
            f"layer {name!r} must have its weights in parts of {halves.weights * config.weight_bytes} bytes, half of "
            f"the weight memory, but the least part has {words * (tiles if whole else unit) * config.weight_bytes}: "
            "use an engine with more weight_words"
        )
    if halves.parameters is not None:
        at_once = min(at_once, halves.parameters // (each * unit))
        if at_once == 0 or whole:
            raise UserError(
                f"layer {name!r} must have its parameters in parts of {halves.parameters} words, half of the parameter "
                f"memory, but the least part has {each * (channels if whole else unit)}: use an engine with more "
                "parameter_words"
            )
    units = fields["groups"] if by_group else channels
    # Parts of one size: the last one is not over before the next layer's weights are there.
    at_once = -(-units // -(-units // at_once))
    for first in range(0, units, at_once):
        number = min(at_once, units - first)
        is_last = first + number == units
        begins, count = first * unit, min(number * unit, channels - first * unit)
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
        yield _Part(
            fields=part,
            weights=(fields["w_base"] + begins * words, count * words),
            parameters=(part["parameter_base"], count * each),
        )


def _named(layer: ProgramLayer, number: int, parts: int, part: dict[str, int], fields: dict[str, int]) -> ProgramLayer:
    if parts == 1:
        return layer
    share = layer.macs * tiles_of(part) // tiles_of(fields)
    return replace(layer, name=f"{layer.name} ({number + 1}/{parts})", macs=share)


def tiles_of(fields: dict[str, int]) -> int:
    """Tiles of output channels."""
    return (fields["groups"] - 1) * fields["n_tiles"] + fields["last_n_tiles"]


def sdram_bytes(program: Program) -> list[int]:
    """Bytes that every layer reads from the SDRAM; zeros for an engine without one."""
    stream = program.config.stream
    if stream is None:
        return [0] * len(program.layers)
    chunks = iter(sum(entry["words"] for entry in chunk) for chunk in chunks_of(program))
    return [next(chunks) * stream.chip.width // 8 if layer["waits_chunk"] else 0 for layer in program.descriptors]
