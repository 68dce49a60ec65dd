# SPDX-License-Identifier: Apache-2.0
"""Programs as plain data: a header of numbers and texts, with arrays beside it."""

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import DESCRIPTOR_WORDS, Memory
from sysmt.sim.nn.geometry import Geometry, Pair
from sysmt.sim.nn.graph import Graph, Node, Tensor, check_shape

from .host import Operators, Scores
from .program import Ends, Program, ProgramLayer
from .transfer import HostTensor, Place


@dataclass
class Sections:
    """Arrays that go behind the header, in the order they are added."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)

    def add(self, name: str, values: np.ndarray) -> str:
        """Add an array; returns its name."""
        stored = np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()
        entry = {
            "name": name,
            "dtype": str(values.dtype),
            "shape": list(values.shape),
            "offset": sum(map(len, self.content)),
            "size": len(stored),
            "sha256": hashlib.sha256(stored).hexdigest(),
        }
        self.entries.append(entry)
        self.content.append(stored)
        return name

    def table(self) -> list[dict[str, Any]]:
        """What the header says of them."""
        return self.entries


def header_of(program: Program, sections: Sections) -> dict[str, Any]:
    """The header of a program; its arrays are added to `sections`."""
    for memory, words in program.images.items():
        sections.add(memory.name.lower(), words)
    return {
        "config": program.config.as_dict(),
        "fingerprint": f"{program.config.fingerprint:016x}",
        "activation_words": program.activation_words,
        "ends": [_tensor(tensor, None) for tensor in (program.ends.input, program.ends.output)],
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "tensor": layer.tensor,
                "macs": layer.macs,
                "place": _place(layer.place),
            }
            for layer in program.layers
        ],
        "input": _host_tensor(program.input),
        "output": _host_tensor(program.output),
        "before": _host(program.before, "before", sections),
        "after": _host(program.after, "after", sections),
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
        "after": _host(exact.after, "exact.after", sections),
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
            place=_read_place(layer["place"], config),
        )
        for layer in header["layers"]
    )
    if not layers or len(images[Memory.DESCRIPTORS]) != DESCRIPTOR_WORDS * len(layers):
        raise UserError(f"program must have a descriptor per layer, not {len(images[Memory.DESCRIPTORS])} words")
    before, after = (_read_host(header[name], arrays) for name in ("before", "after"))
    if isinstance(before, Scores):
        raise UserError("program must have operators in front of the engine, not scores; compile the network again")
    clock = header["clock_hz"]
    first, last = (_read_tensor(tensor, arrays) for tensor in header["ends"])
    program = Program(
        config=config,
        images=images,
        activation_words=int(header["activation_words"]),
        ends=Ends(input=first, output=last),
        layers=layers,
        input=_read_host_tensor(header["input"], config),
        output=_read_host_tensor(header["output"], config),
        before=before,
        after=after,
        clock_hz=None if clock is None else float(clock),
    )
    if header["exact"] is None:
        return program
    others = {
        Memory[name]: _image(Memory[name], arrays[at], config) for name, at in header["exact"]["memories"].items()
    }
    exact_after = _read_host(header["exact"]["after"], arrays)
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


def _place(place: Place) -> dict[str, Any]:
    starts = np.flatnonzero(np.diff(place.positions, prepend=place.positions[0] - 2) != 1)
    runs = [[int(place.positions[at]), len(part)] for at, part in zip(starts, _split(place, starts), strict=True)]
    return {
        "base": place.base,
        "words": place.words,
        "image": list(place.image),
        "half": place.half,
        "channels": runs,
    }


def _split(place: Place, starts: np.ndarray) -> list[np.ndarray]:
    return np.split(place.positions, starts[1:])


def _read_place(stored: dict[str, Any], config: EngineConfig) -> Place:
    height, width, channels = (int(n) for n in stored["image"])
    positions = np.concatenate([np.arange(int(first), int(first) + int(n)) for first, n in stored["channels"]])
    place = Place(
        base=int(stored["base"]),
        words=int(stored["words"]),
        positions=positions,
        image=(height, width, channels),
        half=int(stored["half"]),
    )
    inside = min(place.base, place.half) >= 0 and place.base + place.half + place.size <= config.activation_words
    if min(place.image) < 1 or len(positions) != channels or place.words < 1 or not inside:
        raise UserError("program must have its tensors inside the activation memory; compile the network again")
    if positions.min() < 0 or positions.max() >= place.words * config.word_bytes:
        raise UserError("program must have the channels of a pixel inside its words; compile the network again")
    return place


def _host_tensor(tensor: HostTensor) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "place": _place(tensor.place),
        "patches": None if tensor.patches is None else _geometry(tensor.patches),
        "zero": tensor.zero,
    }


def _read_host_tensor(stored: dict[str, Any], config: EngineConfig) -> HostTensor:
    tensor = HostTensor(
        name=str(stored["name"]),
        shape=tuple(int(n) for n in stored["shape"]),
        dtype=stored["dtype"],
        place=_read_place(stored["place"], config),
        patches=None if stored["patches"] is None else _read_geometry(stored["patches"]),
        zero=int(stored["zero"]),
    )
    if tensor.dtype not in ("int8", "uint8") or not 0 <= tensor.zero <= 255:
        raise UserError(f"program must have bytes as input and output, not {tensor.dtype!r}; compile the network again")
    return tensor


def _geometry(geometry: Geometry) -> dict[str, Any]:
    names = ("size", "kernel", "stride", "dilation", "padding")
    return {name: getattr(geometry, name) for name in names}


def _read_geometry(stored: dict[str, Any]) -> Geometry:
    down, across = stored["padding"]
    return Geometry(
        size=_pair(stored["size"]),
        kernel=_pair(stored["kernel"]),
        stride=_pair(stored["stride"]),
        dilation=_pair(stored["dilation"]),
        padding=(_pair(down), _pair(across)),
    )


def _pair(stored: list[Any]) -> Pair:
    first, second = stored
    return int(first), int(second)


def _host(part: Operators | Scores | None, where: str, sections: Sections) -> dict[str, Any] | None:
    if part is None:
        return None
    if isinstance(part, Scores):
        return {
            "name": part.name,
            "shape": list(part.shape),
            "weights": sections.add(f"{where}.weights", part.weights),
            "bias": sections.add(f"{where}.bias", part.bias),
        }
    graph = part.graph
    return {
        "tensors": [
            _tensor(tensor, None if tensor.data is None else sections.add(f"{where}.{i}", tensor.data))
            for i, tensor in enumerate(graph.tensors)
        ],
        "nodes": [
            {
                "index": node.index,
                "kind": node.kind,
                "inputs": list(node.inputs),
                "output": node.output,
                "more_outputs": list(node.more_outputs),
                "options": node.options,
            }
            for node in graph.nodes
        ],
        "input": graph.input,
        "output": graph.output,
    }


def _tensor(tensor: Tensor, data: str | None) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scale": tensor.scale.tolist(),
        "zero_point": tensor.zero_point.tolist(),
        "axis": tensor.axis,
        "data": data,
    }


def _read_tensor(stored: dict[str, Any], arrays: dict[str, np.ndarray]) -> Tensor:
    tensor = Tensor(
        name=str(stored["name"]),
        shape=tuple(int(n) for n in stored["shape"]),
        dtype=str(stored["dtype"]),
        scale=np.array(stored["scale"], np.float32),
        zero_point=np.array(stored["zero_point"], np.int64),
        axis=int(stored["axis"]),
        data=None if stored["data"] is None else arrays[stored["data"]],
    )
    check_shape(tensor)
    return tensor


def _read_host(stored: dict[str, Any] | None, arrays: dict[str, np.ndarray]) -> Operators | Scores | None:
    if stored is None:
        return None
    if "nodes" not in stored:
        return Scores(
            name=str(stored["name"]),
            weights=arrays[stored["weights"]],
            bias=arrays[stored["bias"]],
            shape=tuple(int(n) for n in stored["shape"]),
        )
    tensors = tuple(_read_tensor(tensor, arrays) for tensor in stored["tensors"])
    nodes = tuple(
        Node(
            index=int(node["index"]),
            kind=str(node["kind"]),
            inputs=tuple(int(i) for i in node["inputs"]),
            output=int(node["output"]),
            more_outputs=tuple(int(i) for i in node["more_outputs"]),
            options=dict(node["options"]),
        )
        for node in stored["nodes"]
    )
    graph = Graph(tensors=tensors, nodes=nodes, input=int(stored["input"]), output=int(stored["output"]))
    return Operators(graph=graph)
