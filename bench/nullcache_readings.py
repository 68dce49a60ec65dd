# SPDX-License-Identifier: Apache-2.0
"""Which assumption moves which figure of the null cache, on LeNet-5; and the near-zero approximator against top-1."""

import dataclasses
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from sysmt.cli.output import progress
from sysmt.hdl.params.cache import CacheConfig
from sysmt.sim.nullcache.traces.layers import LayerOperands
from sysmt.sim.nullcache.traces.lenet import Digits, Trained, digits, lenet5, trained
from sysmt.sim.nullcache.traces.networks import layers

from .nullcache_study import (
    DEEP,
    SEED,
    WHOLE,
    Compared,
    Costs,
    caches,
    layerwise,
    rounded,
    savings,
    second_image,
    with_null,
)

Source = Callable[[], Iterable[LayerOperands]]

THRESHOLDS = (0, 1, 2, 4, 8, 16)
"""Of the approximator: magnitudes of bytes that count as zero."""

TESTED = 200
"""Images whose digits are looked at per threshold."""


def readings(base: CacheConfig) -> list[dict[str, Any]]:
    """A row per assumption and order of accesses: what the null cache saves if only this one is changed."""
    rows = []

    def add(reading: str, loops: str, costs: dict[str, Costs]) -> None:
        saved = savings(costs)
        row: dict[str, Any] = {"reading": reading, "order": loops}
        row["misses %"] = 100 * costs["plain"].misses / costs["plain"].accesses
        row |= {"misses saved %": saved["null"]["misses"], "time saved %": saved["null"]["time"]}
        row |= {"paper: misses %": saved["paper"]["misses"], "paper: time %": saved["paper"]["time"]}
        rows.append(rounded(row | {"beyond double": row["misses saved %"] - saved["double"]["misses"]}))

    def layered(
        reading: str, loops: str, source: Source, dtype: str = "float32", compared: Compared | None = None
    ) -> None:
        progress(f"{reading}, {loops}")
        costs, _ = layerwise(source(), loops, dtype, WHOLE, compared or caches(base), base.line, reading)
        add(reading, loops, costs)

    def pruned(group: int, last: bool = False) -> Source:
        return lambda: lenet5(trained(group, last), 0)

    deep = dataclasses.replace(base, write_buffer=DEEP)
    for loops in ("im2col", "direct"):
        layered("groups of 8, float32, a digit, caches empty", loops, pruned(8))
        layered("groups of 4", loops, pruned(4))
        layered("pruned anywhere", loops, pruned(1))
        layered("pruned anywhere, random weights, an image without black", loops, lambda: layers("lenet5", seed=SEED))
        layered("int8, lines of 32 values", loops, pruned(8), "int8")
        layered(f"write buffer of {DEEP}", loops, pruned(8), compared=caches(deep))
        layered("128 entries", loops, pruned(8), compared=caches(with_null(base, entries=128)))
        add("second image, caches kept", loops, second_image(loops, "float32", caches(base)))
    layered("blocked BLAS, packed panels", "blocked", pruned(8))
    layered("channels innermost", "nhwc", pruned(8, last=True))
    layered("channels innermost, int8", "nhwc", pruned(8, last=True), "int8")
    layered("two columns of 16 bits (CMSIS-NN)", "cmsis", pruned(8, last=True), "int8")
    return rows


def approximated(base: CacheConfig) -> list[dict[str, Any]]:
    """A row per threshold: misses saved on the int8 LeNet-5, and its top-1 with every near-zero line read as zero.

    That is the most that can happen: lines that the null cache does not hold are read as they are. Activations are 0 to
    127, because the approximator takes bytes in two's complement.
    """
    network, images = trained(8), digits()
    plain = dataclasses.replace(base, null=None)
    rows = []
    for threshold in THRESHOLDS:
        compared: Compared = {"plain": plain, "paper": with_null(base, approx=threshold)}
        compared["null"] = compared["paper"]
        costs, _ = layerwise(
            map(signed, lenet5(network, 0)), "im2col", "int8", WHOLE, compared, base.line, "approximator"
        )
        row: dict[str, Any] = {"threshold": threshold, "misses saved %": savings(costs)["paper"]["misses"]}
        rows.append(rounded(row | {"top1 %": 100 * recognised(network, images, threshold, base.line)}))
        progress(f"approximator, threshold {threshold}")
    return rows


def signed(layer: LayerOperands) -> LayerOperands:
    """The layer in 8 bits, activations 0 to 127."""
    small = layer.of_type("int8")
    if small.x.dtype == np.int8:
        return small
    bias = None if small.bias is None else np.rint(small.bias / 2)
    return dataclasses.replace(small, x=(small.x >> 1).astype(np.int8), bias=bias)


def recognised(network: Trained, images: Digits, threshold: int, line: int) -> float:
    """Top-1 over the first tested images, 0 to 1, with all lines of weights and activations that are near zero at 0."""
    right = 0
    for image in range(TESTED):
        x: np.ndarray | None = None
        for layer in lenet5(network, image):
            if x is not None:
                layer = dataclasses.replace(layer, x=x)
            small = signed(layer)
            small = dataclasses.replace(small, x=_zeroed(small.x, threshold, line), w=_zeroed(small.w, threshold, line))
            found = small.output()
            if layer.name.startswith("conv"):
                c, h, w = found.shape
                found = np.ascontiguousarray(found.reshape(c, h // 2, 2, w // 2, 2).max(axis=(2, 4)))
            x = found * np.float32(_unit(layer))
        right += int(np.argmax(x) == images.labels[len(images.labels) - images.tested + image])
    return right / TESTED


def _unit(layer: LayerOperands) -> float:
    """What a unit of the 8-bit sums is worth."""
    top = 127 / max(1e-30, float(np.abs(layer.x).max()))
    return 1 / (top * 127 / max(1e-30, float(np.abs(layer.w).max())))


def _zeroed(values: np.ndarray, threshold: int, line: int) -> np.ndarray:
    """The bytes with every whole line of them that is near zero at zero."""
    flat = values.reshape(-1).copy()
    whole = flat[: len(flat) // line * line].reshape(-1, line)
    whole[(np.abs(whole.astype(np.int16)) <= threshold).all(axis=1)] = 0
    return flat.reshape(values.shape)
