# SPDX-License-Identifier: Apache-2.0
"""Programs as plain data: a header of numbers and texts, with arrays beside it."""

from dataclasses import replace
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR_WORDS, Memory

from .header_host import Sections, host_header, read_host, read_tensor, tensor_header
from .header_places import host_tensor_header, place_header, read_host_tensor, read_place
from .host import Scores
from .program import Ends, Program, ProgramLayer


def header_of(program: Program, sections: Sections) -> dict[str, Any]:
    """The header of a program; its arrays are added to `sections`."""
    for memory, words in program.images.items():
        sections.add(memory.name.lower(), words)
    return {
        "config": program.config.as_dict(),
        "fingerprint": f"{program.config.fingerprint:016x}",
        "activation_words": program.activation_words,
        "ends": [tensor_header(tensor, None) for tensor in (program.ends.input, program.ends.output)],
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "tensor": layer.tensor,
                "macs": layer.macs,
                "place": place_header(layer.place),
            }
            for layer in program.layers
        ],
        "input": host_tensor_header(program.input),
        "output": host_tensor_header(program.output),
        "before": host_header(program.before, "before", sections),
        "after": host_header(program.after, "after", sections),
        "clock_hz": program.clock_hz,
        "exact": _exact(program, sections),
    }


def _exact(program: Program, sections: Sections) -> dict[str, Any] | None:
    """What the exact network has otherwise."""
    exact = program.exact
    if exact is None:
        return None
    others = [memory for memory in exact.images if not np.array_equal(exact.images[memory], program.images[memory])]
    return {
        "memories": {
            memory.name: sections.add(f"exact.{memory.name.lower()}", exact.images[memory]) for memory in others
        },
        "after": host_header(exact.after, "exact.after", sections),
    }


def program_of(header: dict[str, Any], arrays: dict[str, np.ndarray]) -> Program:
    """The inverse of `header_of`.

    Raises
    ------
    UserError
        The program is for another engine than it says, or its parts do not fit each other.
    """
    config = EngineConfig().with_fields(**header["config"])
    if header["fingerprint"] != f"{config.fingerprint:016x}":
        raise UserError("program must be of this version of the engine, not of another one; compile the network again")
    images: dict[Memory, np.ndarray] = {
        memory: _image(memory, arrays[memory.name.lower()], config)
        for memory in config.host_memories
        if memory != Memory.ACTIVATIONS
    }
    layers = tuple(
        ProgramLayer(
            name=str(layer["name"]),
            kind=str(layer["kind"]),
            tensor=int(layer["tensor"]),
            macs=int(layer["macs"]),
            place=read_place(layer["place"], config),
        )
        for layer in header["layers"]
    )
    if not layers or len(images[Memory.DESCRIPTORS]) != DESCRIPTOR_WORDS * len(layers):
        raise UserError(f"program must have a descriptor per layer, not {len(images[Memory.DESCRIPTORS])} words")
    before, after = (read_host(header[name], arrays) for name in ("before", "after"))
    if isinstance(before, Scores):
        raise UserError("program must have operators in front of the engine, not scores; compile the network again")
    clock = header["clock_hz"]
    first, last = (read_tensor(tensor, arrays) for tensor in header["ends"])
    program = Program(
        config=config,
        images=images,
        activation_words=int(header["activation_words"]),
        ends=Ends(input=first, output=last),
        layers=layers,
        input=read_host_tensor(header["input"], config),
        output=read_host_tensor(header["output"], config),
        before=before,
        after=after,
        clock_hz=None if clock is None else float(clock),
    )
    if header["exact"] is None:
        return program
    others = {
        Memory[name]: _image(Memory[name], arrays[at], config) for name, at in header["exact"]["memories"].items()
    }
    exact_after = read_host(header["exact"]["after"], arrays)
    return replace(program, exact=replace(program, images=images | others, after=exact_after))


def _image(memory: Memory, words: np.ndarray, config: EngineConfig) -> np.ndarray:
    """The words of a memory, refused where they are not what it holds."""
    name = memory.name.lower()
    if words.dtype != np.uint8 or words.ndim != 2 or words.shape[1] != config.host_bytes[name]:
        raise UserError(f"program must have {name} of the engine's width, not {words.shape}; compile the network again")
    _, depth = config.host_memories[memory]
    if len(words) > depth:
        raise UserError(f"program must have at most {depth} {name}, not {len(words)}")
    return words
