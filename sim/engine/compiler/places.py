# SPDX-License-Identifier: Apache-2.0
"""Where tensors lie in activation memory: the order of their channels in a pixel's words, and addresses by lifetime."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sysmt.base.errors import UserError
from sysmt.hdl.params.engine import EngineConfig
from sysmt.sim.engine.layer import EngineLayer
from sysmt.sim.engine.transfer import Place

from .lowered import Lowered


class Layouts:
    """The order of channels in memory of every tensor, and which tensor holds which others.

    Parameters
    ----------
    lowered : Lowered
    config : EngineConfig
    """

    def __init__(self, lowered: Lowered, config: EngineConfig) -> None:
        self.lowered, self.config = lowered, config
        self.made_by = {layer.target: layer for layer in lowered.layers}
        self.whole = {part: whole for whole, parts in lowered.joins.items() for part in parts}
        self._own: dict[int, np.ndarray] = {}

    def holder(self, tensor: int) -> int:
        """The tensor whose memory a tensor is part of."""
        while tensor in self.lowered.owner or tensor in self.whole:
            tensor = self.lowered.owner.get(tensor, self.whole.get(tensor, tensor))
        return tensor

    def own(self, tensor: int) -> np.ndarray:
        """Byte of each channel, counted from the tensor's first tile of channels: int64 [C]."""
        if tensor not in self._own:
            self._own[tensor] = self._layout(tensor)
        return self._own[tensor]

    def positions(self, tensor: int) -> np.ndarray:
        """Byte of each channel in the words of its pixel: int64 [C]."""
        return self.own(tensor) + self._tiles_before(tensor) * self.config.array.cols

    def pixels_before(self, tensor: int) -> int:
        """Pixels of the holder in front of the tensor's."""
        before = 0
        while tensor in self.lowered.owner or tensor in self.whole:
            before += self.lowered.offsets.get(tensor, 0)
            if tensor in self.lowered.owner:
                tensor = self.lowered.owner[tensor]
                continue
            whole = self.whole[tensor]
            if whole not in self.lowered.by_channel:
                for part in self.lowered.joins[whole]:
                    if part == tensor:
                        break
                    down, across, _ = self.lowered.images[part]
                    before += down * across
            tensor = whole
        return before

    def words(self, tensor: int) -> int:
        """Words per pixel."""
        positions = self.own(self.holder(tensor))
        return int(positions.max()) // self.config.word_bytes + 1

    def _tiles(self, tensor: int) -> int:
        return int(self.own(tensor).max()) // self.config.array.cols + 1

    def _tiles_before(self, tensor: int) -> int:
        """Tiles of channels of the holder in front of the tensor's."""
        if tensor in self.lowered.owner:
            return self._tiles_before(self.lowered.owner[tensor])
        if tensor not in self.whole:
            return 0
        whole = self.whole[tensor]
        parts = self.lowered.joins[whole]
        before = parts[: parts.index(tensor)] if whole in self.lowered.by_channel else ()
        return self._tiles_before(whole) + sum(self._tiles(part) for part in before)

    def _layout(self, tensor: int) -> np.ndarray:
        if tensor in self.lowered.owner:
            return self.own(self.lowered.owner[tensor])
        if tensor in self.lowered.joins:
            parts = self.lowered.joins[tensor]
            if tensor not in self.lowered.by_channel:
                if any(not np.array_equal(self.own(part), self.own(parts[0])) for part in parts):
                    raise UserError(
                        f"CONCATENATION of {tensor} must join tensors that lie alike in memory; cut the model"
                    )
                return self.own(parts[0])
            cols, starts = self.config.array.cols, np.cumsum([0] + [self._tiles(part) for part in parts])
            return np.concatenate([self.own(p) + cols * start for p, start in zip(parts, starts, strict=False)])
        layer = self.made_by.get(tensor)
        if layer is None or (layer.product is not None and not layer.product.depthwise):
            return np.arange(self.lowered.images[tensor][2])
        return self._kept(layer)

    def _kept(self, layer: EngineLayer) -> np.ndarray:
        """Of a layer that works channel by channel: as in its source, from the first word of it on."""
        source = self.positions(layer.source)
        kept = source - source.min() // self.config.word_bytes * self.config.word_bytes
        multiple = layer.outputs // layer.channels
        if multiple == 1:
            if kept[0] >= self.config.array.cols and layer.target in self.whole:
                raise UserError(
                    f"layer {layer.name!r} reads a part of a CONCATENATION and writes one, {kept[0]} channels into a "
                    "word, which the engine cannot; cut the model"
                )
            return kept
        if not np.array_equal(kept, np.arange(layer.channels)):
            raise UserError(
                f"layer {layer.name!r} has {multiple} filters per channel and reads a CONCATENATION whose parts do not "
                "fill words of the activation memory; cut the model"
            )
        return np.arange(layer.outputs)


@dataclass
class Block:
    """Memory of tensors that share it: its size in words, its first and last layer, and what it holds where.

    `inside` says how many words into the block a tensor begins, where that is not its first.
    """

    size: int
    first: int
    last: int
    base: int = 0
    inside: dict[int, int] = field(default_factory=dict)


def place(lowered: Lowered, config: EngineConfig) -> tuple[dict[int, Place], int]:
    """Give every tensor its place; the input and the output two where there is room.

    Returns
    -------
    dict of tensor to Place
    int
        Words of activation memory that are used: more than there are, where not even one place each fits.
    """
    layouts = Layouts(lowered, config)
    for halves in ((2, 2), (2, 1), (1, 2)):
        found = _place(lowered, layouts, *halves)
        if found is not None and found[1] <= config.activation_words:
            return found
    single = _place(lowered, layouts, 1, 1)
    assert single is not None
    return single


def described(lowered: Lowered, config: EngineConfig, used: int) -> str:
    """What activations that take `used` words take, in bytes."""
    name, live = _busiest(lowered, Layouts(lowered, config))
    return (
        f"activations take {used * config.word_bytes} bytes ({live * config.word_bytes} at layer {name!r}), the engine "
        f"has {config.activation_words * config.word_bytes}"
    )


def _place(
    lowered: Lowered, layouts: Layouts, input_halves: int, output_halves: int
) -> tuple[dict[int, Place], int] | None:
    """Places with so many halves of input and output; None where these cannot be."""
    blocks = blocks_of(lowered, layouts)
    source, target = layouts.holder(lowered.input), layouts.holder(lowered.output)
    end = len(lowered.layers)
    residuals = {layouts.holder(layer.addition.residual) for layer in lowered.layers if layer.addition}
    reads = {layouts.holder(layer.source) for layer in lowered.layers} | residuals
    if (input_halves == 2 and source in residuals) or (output_halves == 2 and target in reads):
        return None
    if input_halves == 2 and lowered.arriving:
        return None
    halves = {}
    for holder, count in ((source, input_halves), (target, output_halves)):
        if count == 2:
            halves[holder] = blocks[holder].size
            blocks[holder] = Block(2 * blocks[holder].size, -1, end)
    in_place(lowered, layouts, blocks, frozenset(halves) | {source})
    used = _allocate(list({id(block): block for block in blocks.values()}.values()), bool(lowered.bands))
    places = {}
    for tensor, image in lowered.images.items():
        holder, words = layouts.holder(tensor), layouts.words(tensor)
        if lowered.arriving and tensor == lowered.input:
            # Of the SDRAM, not of the activation memory.
            places[tensor] = Place(base=0, words=words, positions=layouts.positions(tensor), image=image)
            continue
        places[tensor] = Place(
            base=blocks[holder].base + blocks[holder].inside.get(holder, 0) + layouts.pixels_before(tensor) * words,
            words=words,
            positions=layouts.positions(tensor),
            image=image,
            half=halves.get(holder, 0),
        )
    return places, used


def blocks_of(lowered: Lowered, layouts: Layouts) -> dict[int, Block]:
    """One block per tensor that holds its own memory."""
    blocks: dict[int, Block] = {}
    end = len(lowered.layers)
    for tensor, (down, across, _) in lowered.images.items():
        if layouts.holder(tensor) == tensor and not (lowered.arriving and tensor == lowered.input):
            blocks[tensor] = Block(down * across * layouts.words(tensor), end, -1)

    def touch(tensor: int, at: int) -> None:
        block = blocks[layouts.holder(tensor)]
        block.first, block.last = min(block.first, at), max(block.last, at)

    if lowered.arriving:
        _arriving(lowered, touch)
    else:
        touch(lowered.input, -1)
    touch(lowered.output, end)
    for at, layer in enumerate(lowered.layers):
        touch(layer.source, at)
        touch(layer.target, at)
        if layer.addition:
            touch(layer.addition.residual, at)
    return blocks


def _arriving(lowered: Lowered, touch: Callable[[int, int], None]) -> None:
    """Rows of the input are in memory from when the SDRAM may bring them: when the layer before last with a chunk has
    ended. The first rows of the next run come behind this one: its output keeps its place to itself."""
    loading = [at for at, layer in enumerate(lowered.layers) if layer.product is not None]
    for at, layer in enumerate(lowered.layers):
        if layer.source in lowered.arriving:
            before = [other for other in loading if other < at]
            touch(layer.source, before[-2] + 1 if len(before) > 1 else -1)
    touch(lowered.output, -1)


def in_place(lowered: Lowered, layouts: Layouts, blocks: dict[int, Block], fixed: frozenset[int]) -> None:
    """Let a sum take the memory of the residual that it is the last to read."""
    for target, bands in lowered.bands.items():
        if bands.residual is None or {bands.residual, target} & fixed or layouts.holder(target) != target:
            continue
        if layouts.holder(bands.residual) != bands.residual:
            continue
        old, new = blocks[bands.residual], blocks[target]
        parts = lowered.joins[target]
        if old.last == max(at for at, layer in enumerate(lowered.layers) if layer.target in parts):
            behind = bands.behind * layouts.words(target)
            old.inside = {tensor: words + behind for tensor, words in old.inside.items()}
            old.inside.setdefault(bands.residual, behind)
            old.size, old.last = old.size + behind, new.last
            old.inside[target] = 0
            blocks[target] = old
    for at, layer in enumerate(lowered.layers):
        if layer.addition is None:
            continue
        residual, source = (layouts.holder(i) for i in (layer.addition.residual, layer.source))
        target = layer.target
        joined = lowered.joins.keys() - lowered.bands.keys()
        if layouts.holder(target) != target or residual in joined or {residual, target} & fixed:
            continue
        old, new = blocks[residual], blocks[target]
        if residual == source or old.last != at or new.first != at or old.size != new.size or old is blocks[source]:
            continue
        old.last = new.last
        old.inside[target] = old.inside.get(residual, 0)
        blocks[target] = old


def _allocate(blocks: list[Block], several: bool) -> int:
    """Bases for blocks, the largest first; returns the words used. With `several` those that live longest first, or
    those that come first, where that takes fewer."""
    orders: list[Callable[[Block], tuple[int, ...]]] = [lambda b: (-b.size, b.first, b.last)]
    if several:
        orders.append(lambda b: (b.first - b.last, -b.size, b.first))
        orders.append(lambda b: (b.first, -b.size, b.last))
    found = []
    for order in orders:
        used = _in_order(sorted(blocks, key=order))
        found.append((used, [block.base for block in blocks]))
    used, bases = min(found, key=lambda way: way[0])
    for block, base in zip(blocks, bases, strict=True):
        block.base = base
    return used


def _in_order(blocks: list[Block]) -> int:
    """Bases for blocks one after the other, each at the lowest free address; returns the words used."""
    placed: list[Block] = []
    for block in blocks:
        base = 0
        for other in sorted(placed, key=lambda b: b.base):
            if other.last < block.first or block.last < other.first:
                continue
            if base + block.size <= other.base:
                break
            base = max(base, other.base + other.size)
        block.base = base
        placed.append(block)
    return max(block.base + block.size for block in placed)


def _busiest(lowered: Lowered, layouts: Layouts) -> tuple[str, int]:
    """The layer with the most words alive, and how many."""
    blocks = blocks_of(lowered, layouts)
    in_place(lowered, layouts, blocks, frozenset())
    unique = {id(block): block for block in blocks.values()}.values()
    live = [sum(b.size for b in unique if b.first <= at <= b.last) for at in range(len(lowered.layers))]
    at = max(range(len(live)), key=live.__getitem__)
    return lowered.layers[at].name, live[at]
