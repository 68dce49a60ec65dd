# SPDX-License-Identifier: Apache-2.0
"""Layers for tests, by the fields of their geometry and their own side by side."""

from typing import Any

from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.layer import Layer

GEOMETRY = ("kernel", "stride", "dilation", "ceil_mode")


def layer(*, height: int, width: int, padding: tuple[int, int] = (0, 0), name: str = "x", **fields: Any) -> Layer:
    """A layer; `padding` is zeros down and across, the same on both sides."""
    window = {key: fields.pop(key) for key in GEOMETRY if key in fields}
    geometry = Geometry(size=(height, width), padding=tuple((zeros, zeros) for zeros in padding), **window)
    return Layer(name=name, geometry=geometry, **fields)
