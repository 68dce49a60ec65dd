# SPDX-License-Identifier: Apache-2.0
"""What the host computes, in the header of a program, and the arrays that lie behind it."""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.sim.nn.graph import Graph, Node, Tensor, check_shape

from .host import Operators, Scores


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


def host_header(part: Operators | Scores | None, where: str, sections: Sections) -> dict[str, Any] | None:
    """What the host computes in front of the engine or behind it; its arrays are added to `sections`."""
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
            tensor_header(tensor, None if tensor.data is None else sections.add(f"{where}.{i}", tensor.data))
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


def tensor_header(tensor: Tensor, data: str | None) -> dict[str, Any]:
    """A tensor of a graph; `data` names its array among the sections."""
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "scale": tensor.scale.tolist(),
        "zero_point": tensor.zero_point.tolist(),
        "axis": tensor.axis,
        "data": data,
    }


def read_tensor(stored: dict[str, Any], arrays: dict[str, np.ndarray]) -> Tensor:
    """The inverse of `tensor_header`."""
    with np.errstate(over="ignore"):
        scale = np.array(stored["scale"], np.float32)
    if not np.isfinite(scale).all():
        raise UserError(f"program must have finite scales, not {stored['scale']!r}; compile the network again")
    tensor = Tensor(
        name=str(stored["name"]),
        shape=tuple(int(n) for n in stored["shape"]),
        dtype=str(stored["dtype"]),
        scale=scale,
        zero_point=np.array(stored["zero_point"], np.int64),
        axis=int(stored["axis"]),
        data=None if stored["data"] is None else arrays[stored["data"]],
    )
    check_shape(tensor)
    return tensor


def read_host(stored: dict[str, Any] | None, arrays: dict[str, np.ndarray]) -> Operators | Scores | None:
    """The inverse of `host_header`."""
    if stored is None:
        return None
    if "nodes" not in stored:
        return Scores(
            name=str(stored["name"]),
            weights=arrays[stored["weights"]],
            bias=arrays[stored["bias"]],
            shape=tuple(int(n) for n in stored["shape"]),
        )
    tensors = tuple(read_tensor(tensor, arrays) for tensor in stored["tensors"])
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
