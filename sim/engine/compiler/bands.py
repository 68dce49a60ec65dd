# SPDX-License-Identifier: Apache-2.0
"""Layers fused by bands of rows: what a tensor that is too large for the memory takes, a few rows at a time.

A group of layers runs once for every band of rows of the last one's output: each layer computes the rows that the next
one needs for the band. So only the group's source and its target lie in memory whole. Rows under the windows of two
bands are computed in both (the halo), as fused-layer accelerators do it (Alwani et al., MICRO 2016, "recompute").

A layer of a band is a layer like any other, on an image of fewer rows: padding that lies inside the image is none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sysmt.sim.engine.layer import EngineLayer
from sysmt.sim.nn.geometry import Geometry, Pair

from .lowered import Bands, Lowered


@dataclass(frozen=True, kw_only=True)
class Group:
    """Layers `first` to `end - 1`, fused: `rows` rows of the last one's output at a time."""

    first: int
    end: int
    rows: int


def rows_needed(geometry: Geometry, rows: Pair) -> Pair | None:
    """Rows of a window's image that some rows of its output need, from the first to behind the last.

    None where a window lies outside the image altogether.
    """
    stride, top = geometry.stride[0], geometry.padding[0][0]
    first = max(0, rows[0] * stride - top)
    end = min(geometry.size[0], (rows[1] - 1) * stride - top + geometry.reach[0])
    return (first, end) if first < end else None


def band_rows(layers: Sequence[EngineLayer], rows: Pair) -> list[Pair] | None:
    """Rows that every layer of a group computes for a band, and in front of them those of the source that are read.

    None where the group cannot run in such bands.
    """
    made = {layer.target: i for i, layer in enumerate(layers)}
    needed: list[Pair | None] = [None] * len(layers)
    needed[-1] = read = rows
    for i in reversed(range(len(layers))):
        mine = needed[i]
        if mine is None:
            return None
        image = rows_needed(layers[i].geometry, mine)
        if image is None:
            return None
        read = image
        residual = layers[i].addition
        also = made.get(residual.residual) if residual else None
        if also is not None:
            needed[also] = _hull(needed[also], mine)
        if i:
            needed[i - 1] = _hull(needed[i - 1], read)
        else:
            source = read
    return [source, *(found for found in needed if found is not None)]


def _hull(known: Pair | None, more: Pair) -> Pair:
    return more if known is None else (min(known[0], more[0]), max(known[1], more[1]))


def band_layer(layer: EngineLayer, rows: Pair, read: Pair) -> EngineLayer:
    """The layer for rows of its output, over rows of its image."""
    image = layer.geometry
    top = image.padding[0][0] + read[0] - rows[0] * image.stride[0]
    edges = []
    for i, (size, before, count) in enumerate(
        ((read[1] - read[0], top, rows[1] - rows[0]), (image.size[1], image.padding[1][0], image.out_size[1]))
    ):
        edges.append((before, max(0, (count - 1) * image.stride[i] + image.reach[i] - size - before)))
    geometry = replace(image, size=(read[1] - read[0], image.size[1]), padding=(edges[0], edges[1]), ceil_mode=False)
    return replace(layer, geometry=geometry)


def can_arrive(lowered: Lowered) -> bool:
    """Whether the input may come from an SDRAM: a single matrix product reads it, and with its weights it comes."""
    readers = [layer for layer in lowered.layers if layer.source == lowered.input]
    held = set(lowered.owner.values()) | {part for parts in lowered.joins.values() for part in parts}
    held |= {layer.addition.residual for layer in lowered.layers if layer.addition}
    return len(readers) == 1 and readers[0].product is not None and lowered.input not in held


def with_bands(lowered: Lowered, groups: Sequence[Group], arriving: bool) -> Lowered:
    """The layers with those of every group band by band.

    Parameters
    ----------
    lowered : Lowered
        Without bands.
    groups : sequence of Group
        In the order of the layers; each of them can run in its bands (`band_rows`).
    arriving : bool
        The input comes from an SDRAM: the first layer's group reads it band by band.
    """
    making = _Making(lowered, arriving)
    begins = {group.first: group for group in groups}
    at = 0
    while at < len(lowered.layers):
        group = begins.get(at)
        if group is None:
            making.layers.append(lowered.layers[at])
            at += 1
        else:
            making.group(group)
            at = group.end
    return making.result()


class _Making:
    """Layers and tensors in the making."""

    def __init__(self, lowered: Lowered, arriving: bool):
        self._lowered, self._arriving = lowered, arriving
        self._last = min(-1, *lowered.images)
        self.layers: list[EngineLayer] = []
        self._images, self._owner, self._joins = dict(lowered.images), dict(lowered.owner), dict(lowered.joins)
        self._offsets: dict[int, int] = {}
        self._bands: dict[int, Bands] = {}
        self._macs: dict[int, int] = {}
        self._rows: dict[int, int] = {}

    def group(self, group: Group) -> None:
        """Append the layers of a group, band by band."""
        layers = self._lowered.layers[group.first : group.end]
        target, height = layers[-1].target, layers[-1].geometry.out_size[0]
        parts = []
        made = [0] * len(layers)
        behind = 0
        for layer in layers[:-1]:
            del self._images[layer.target]
        for first in range(0, height, group.rows):
            band = first, min(height, first + group.rows)
            found = band_rows(layers, band)
            assert found is not None, "the group can run in bands"
            if first:
                behind = max(behind, first - min(found[0][0], first))
            parts.append(self._band(layers, found, made))
        self._joins[target] = tuple(parts)
        addition = layers[-1].addition
        residual = addition.residual if addition and len(layers) > 1 else None
        if residual is not None and (residual == self._lowered.input or residual not in self._images):
            residual = None
        self._bands[target] = Bands(residual=residual, behind=behind * self._images[target][1])

    def _band(self, layers: Sequence[EngineLayer], rows: list[Pair], made: list[int]) -> int:
        """Append a band; returns the part of the target that it computes. `made` counts rows that are done."""
        own: dict[int, tuple[int, Pair]] = {}
        source = self._source(layers[0].source, rows[0])
        for i, layer in enumerate(layers):
            mine = rows[i + 1]
            read = rows_needed(layer.geometry, mine)
            assert read is not None
            if i:
                source = self._view(*own[layers[i - 1].target], layer.geometry.size[1], read)
            one = replace(
                band_layer(layer, mine, read),
                name=f"{layer.name} (rows {mine[0]}-{mine[1] - 1})",
                source=source,
                target=self._new((mine[1] - mine[0], *self._lowered.images[layer.target][1:])),
            )
            if layer.addition is not None:
                held = layer.addition.residual
                tensor, whole = own.get(held, (held, (0, self._lowered.images[held][0])))
                one = replace(
                    one,
                    addition=replace(
                        layer.addition, residual=self._view(tensor, whole, self._lowered.images[held][1], mine)
                    ),
                )
            share = layer.macs // layer.geometry.out_size[0]
            self._macs[one.target] = share * max(0, mine[1] - max(made[i], mine[0]))
            made[i] = max(made[i], mine[1])
            self.layers.append(one)
            own[layer.target] = one.target, mine
        return one.target

    def _new(self, image: tuple[int, ...]) -> int:
        height, width, channels = image
        self._last -= 1
        tensor = self._last
        self._images[tensor] = height, width, channels
        return tensor

    def _source(self, source: int, rows: Pair) -> int:
        """The rows of a group's source that a band reads."""
        height, width, _ = self._lowered.images[source]
        if not (self._arriving and source == self._lowered.input):
            return self._view(source, (0, height), width, rows)
        tensor = self._new((rows[1] - rows[0], *self._lowered.images[source][1:]))
        self._rows[tensor] = rows[0] * width
        return tensor

    def _view(self, tensor: int, has: Pair, width: int, rows: Pair) -> int:
        """Rows of a tensor that has the rows `has`."""
        if has == rows:
            return tensor
        view = self._new((rows[1] - rows[0], width, self._images[tensor][2]))
        self._owner[view] = tensor
        self._offsets[view] = (rows[0] - has[0]) * width
        return view

    def result(self) -> Lowered:
        """The network."""
        return replace(
            self._lowered,
            layers=tuple(self.layers),
            images=self._images,
            owner=self._owner,
            joins=self._joins,
            offsets=self._offsets,
            bands=self._bands,
            macs=self._macs,
            arriving=self._rows,
        )
