# SPDX-License-Identifier: Apache-2.0
"""A program as a C header, for the driver of an engine on a bus (`hdl/software/sysmt_driver.h`)."""

from collections.abc import Iterable

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.command_list import beats_of, check_master

from .program import Program
from .transfer import HostTensor

CONSTANT = 1 << 31
"""Marks an entry of the table of inputs that is no index but a byte."""
FLIP = {"int8": 0x80, "uint8": 0}
"""What a byte of the tensor is combined with by exclusive or, to be one of the engine's memory."""
PER_LINE = 16


def c_source(program: Program) -> str:
    """The program as `sysmt_network`, with what turns tensors into words and back.

    Raises
    ------
    UserError
        The engine is not on a bus, or the host computes something in front of it, which the driver does not.
    """
    config = program.config
    check_master(config)
    if program.before is not None:
        raise UserError(
            f"input {program.ends.input.name!r} must be what the engine reads, but the host computes "
            f"{program.input.name!r} of it: cut the model there to run it from C"
        )
    if program.input.sdram is not None:
        raise UserError(
            f"input {program.input.name!r} must fit into the activation memory to run it from C, and it lies in the "
            "SDRAM: use an engine with more activation_words"
        )
    beat = config.data_width // 8
    stride = beats_of(config.word_bytes, config.data_width) * beat
    images, data = [], bytearray()
    for memory, words in program.images.items():
        size = beats_of(words.shape[1], config.data_width) * beat
        padded = np.zeros((len(words), size), np.uint8)
        padded[:, : words.shape[1]] = words
        if len(words):
            images.append(f"    {{{int(memory)}u, {padded.size // beat}u, {len(data)}u}},")
            data += padded.tobytes()
    inputs, outputs = _input_table(program, stride), _output_table(program, stride)
    names = {"input": program.input, "output": program.output}
    comments = [
        f"/* {what}: {tensor.name}, {tensor.dtype}, {' x '.join(map(str, tensor.shape))}. */"
        for what, tensor in names.items()
    ]
    first = {what: [getattr(program, f"{what}_first")(half) for half in range(2)] for what in names}
    fields = [
        f"{config.fingerprint & 0xFFFFFFFF:#x}u, {config.fingerprint >> 32:#x}u, {beat}u",
        f"sysmt_network_data, sysmt_network_images, {len(images)}u",
        f"{{{first['input'][0]}u, {first['input'][1]}u}}, {len(inputs)}u",
        f"{{{first['output'][0]}u, {first['output'][1]}u}}, {program.output_words * stride}u",
        f"sysmt_network_inputs, {_flip(program.input):#x}u",
        f"sysmt_network_outputs, {len(outputs)}u, {_flip(program.output):#x}u",
    ]
    return "\n".join(
        [
            "/* SPDX-License-Identifier: Apache-2.0 */",
            "/* A network for an engine, written by sysmt. */",
            *comments,
            "#ifndef SYSMT_NETWORK_H",
            "#define SYSMT_NETWORK_H",
            '#include "sysmt_driver.h"',
            *_array("SYSMT_ALIGNED uint8_t sysmt_network_data", data),
            "static const sysmt_image_t sysmt_network_images[] = {",
            *images,
            "};",
            *_array("uint32_t sysmt_network_inputs", inputs),
            *_array("uint32_t sysmt_network_outputs", outputs),
            "static const sysmt_program_t sysmt_network = {",
            *(f"    {field}," for field in fields),
            "};",
            "#endif",
            "",
        ]
    )


def _flip(tensor: HostTensor) -> int:
    return FLIP[tensor.dtype]


def _array(name: str, values: Iterable[int]) -> list[str]:
    numbers = [f"{value:#x}" for value in values]
    lines = [", ".join(numbers[i : i + PER_LINE]) for i in range(0, len(numbers), PER_LINE)]
    return [f"static const {name}[] = {{", *(f"    {line}," for line in lines), "};"]


def _probes(count: int) -> np.ndarray:
    """Zeros, ones, and the bits of 0 to count - 1, lowest first: uint8 [probes, count]."""
    bits = np.arange(count) >> np.arange(max(count - 1, 1).bit_length())[:, None] & 1
    return np.concatenate([np.zeros((1, count)), np.ones((1, count)), bits]).astype(np.uint8)


def _indices(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From what probes became, uint8 [probes, places]: the index that every place has, and whether it has one."""
    changed = seen != seen[0]
    return (changed[2:] << np.arange(len(seen) - 2)[:, None]).sum(axis=0), changed[1]


def _input_table(program: Program, stride: int) -> list[int]:
    """Of every byte of an input in memory the byte of the tensor, or `CONSTANT` and what it is."""
    tensor, size = program.input, program.config.word_bytes
    probes = _probes(int(np.prod(tensor.shape)))
    words = tensor.pack(probes.astype(tensor.dtype).reshape(len(probes), *tensor.shape), size)
    places = np.zeros((*words.shape[:2], stride), np.uint8)
    places[:, :, :size] = words
    seen = places.reshape(len(probes), -1)
    index, known = _indices(seen)
    return np.where(known, index, CONSTANT | seen[0].astype(np.int64)).tolist()


def _output_table(program: Program, stride: int) -> list[int]:
    """Of every byte of the output tensor its place in memory."""
    size, words = program.config.word_bytes, program.output_words
    probes = _probes(words * size)
    seen = program.output.unpack(probes.reshape(len(probes), words, size)).reshape(len(probes), -1)
    index, known = _indices(seen.view(np.uint8))
    assert known.all()
    return (index // size * stride + index % size).tolist()
