# SPDX-License-Identifier: Apache-2.0
"""Places of tensors in the activation memory, in the header of a program."""

from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Memory
from sysmt.sim.nn.geometry import Geometry, Pair

from .transfer import HostTensor, Place


def place_header(place: Place) -> dict[str, Any]:
    """Where a tensor lies, its channels as runs of neighbours."""
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


def _check_sdram(first: int, place: dict[str, Any], config: EngineConfig) -> None:
    """Refuse an input that is not inside the SDRAM of an engine whose activation memory it can come to."""
    stream = config.weight_stream
    if stream is None or Memory.ACTIVATIONS not in stream.targets:
        raise UserError("program must have its input where the engine reads it; compile the network again")
    height, width, _ = (int(n) for n in place["image"])
    words = height * width * int(place["words"]) * stream.words_per_word(Memory.ACTIVATIONS)
    if first < 0 or first + words > config.host_memories[Memory.SDRAM][1]:
        raise UserError("program must have its input inside the SDRAM; compile the network again")


def read_place(stored: dict[str, Any], config: EngineConfig, on_chip: bool = True) -> Place:
    """The inverse of `place_header`; of a tensor in the SDRAM, not `on_chip`, no address is checked.

    Raises
    ------
    UserError
        The tensor is not inside the activation memory, or its channels are not inside its words.
    """
    height, width, channels = (int(n) for n in stored["image"])
    positions = np.concatenate([np.arange(int(first), int(first) + int(n)) for first, n in stored["channels"]])
    place = Place(
        base=int(stored["base"]),
        words=int(stored["words"]),
        positions=positions,
        image=(height, width, channels),
        half=int(stored["half"]),
    )
    most = config.activation_words if on_chip else place.size
    inside = min(place.base, place.half) >= 0 and place.base + place.half + place.size <= most
    if min(place.image) < 1 or len(positions) != channels or place.words < 1 or not inside:
        raise UserError("program must have its tensors inside the activation memory; compile the network again")
    if positions.min() < 0 or positions.max() >= place.words * config.word_bytes:
        raise UserError("program must have the channels of a pixel inside its words; compile the network again")
    return place


def host_tensor_header(tensor: HostTensor) -> dict[str, Any]:
    """A tensor that the host writes or reads."""
    return {
        "name": tensor.name,
        "shape": list(tensor.shape),
        "dtype": tensor.dtype,
        "place": place_header(tensor.place),
        "patches": None if tensor.patches is None else _geometry(tensor.patches),
        "zero": tensor.zero,
        **({} if tensor.sdram is None else {"sdram": tensor.sdram}),
    }


def read_host_tensor(stored: dict[str, Any], config: EngineConfig) -> HostTensor:
    """The inverse of `host_tensor_header`.

    Raises
    ------
    UserError
        It is not of bytes.
    """
    sdram = None if stored.get("sdram") is None else int(stored["sdram"])
    if sdram is not None:
        _check_sdram(sdram, stored["place"], config)
    tensor = HostTensor(
        name=str(stored["name"]),
        shape=tuple(int(n) for n in stored["shape"]),
        dtype=stored["dtype"],
        place=read_place(stored["place"], config, on_chip=sdram is None),
        patches=None if stored["patches"] is None else _read_geometry(stored["patches"]),
        zero=int(stored["zero"]),
        sdram=sdram,
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
