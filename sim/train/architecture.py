# SPDX-License-Identifier: Apache-2.0
"""The networks that can be trained, as blocks: convolution with batch normalisation and ReLU, addition, pooling.

ResNet-8 and DS-CNN: MLPerf Tiny (Banbury et al., NeurIPS Datasets 2021). Digits: as `sysmt.sim.nn.digits`.
"""

from dataclasses import dataclass
from functools import cached_property

from sysmt.sim.nn.geometry import Geometry, Pair
from sysmt.sim.nn.operators.window import window

INPUT = "input"
"""How blocks call the network's input."""
KINDS = ("conv", "depthwise", "dense", "add", "pool")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One layer with what is fused into it.

    Parameters
    ----------
    name : str
    kind : str
        One of `KINDS`. `dense` is a convolution whose kernel covers the image, with a bias and no normalisation; `pool`
        averages the image.
    inputs : tuple of str
        The blocks that it reads.
    outputs : int
        Output channels of `conv` and `dense`; the others keep those of their input.
    kernel, stride : (int, int)
    relu : bool
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: int = 0
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    relu: bool = True

    @property
    def weighted(self) -> bool:
        """Whether it has weights."""
        return self.kind in ("conv", "depthwise", "dense")


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A network to be trained; its last block gives the scores.

    Parameters
    ----------
    name : str
    size : (int, int)
        Height and width of an input.
    channels : int
    scale : float
        What one step of the input's bytes is worth.
    zero : int
        The byte, 0 to 255, that stands for 0: it pads the edges.
    blocks : tuple of Block
    shift : (int, int)
        How far inputs may be moved down and across for augmentation.
    mirror : bool
        Whether they may be mirrored.
    """

    name: str
    size: Pair
    channels: int
    scale: float
    zero: int
    blocks: tuple[Block, ...]
    shift: Pair
    mirror: bool

    @property
    def classes(self) -> int:
        """Number of scores."""
        return self.blocks[-1].outputs

    @property
    def weighted(self) -> tuple[Block, ...]:
        """The blocks with weights, in their order: the layers of the array."""
        return tuple(block for block in self.blocks if block.weighted)

    @cached_property
    def shapes(self) -> dict[str, tuple[Pair, int]]:
        """Height and width, and channels, of what every block gives."""
        shapes = {INPUT: (self.size, self.channels)}
        for block in self.blocks:
            size, channels = shapes[block.inputs[0]]
            if block.weighted or block.kind == "pool":
                size = self.geometry_of(block, size).out_size
            shapes[block.name] = (size, block.outputs or channels)
        return shapes

    def geometry(self, block: Block) -> Geometry:
        """How the window of a block slides over its input."""
        return self.geometry_of(block, self.shapes[block.inputs[0]][0])

    @staticmethod
    def geometry_of(block: Block, size: Pair) -> Geometry:
        """The same for an input of this size: `pool` and `dense` cover it, others keep its edges."""
        kernel, padding = (size, "VALID") if block.kind in ("pool", "dense") else (block.kernel, "SAME")
        return window(block.name, size, kernel, options(block) | {"padding": padding})

    def threaded(self) -> frozenset[str]:
        """The layers that NB-SMT may take, as `sysmt.sim.nn.forward.threaded`: not the first, last, depthwise ones."""
        return frozenset(block.name for block in self.weighted[1:-1] if block.kind != "depthwise")


def options(block: Block) -> dict[str, int]:
    """Its strides by TFLite's names."""
    return {"stride_h": block.stride[0], "stride_w": block.stride[1]}


def _conv(name: str, source: str, outputs: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> Block:
    pairs = {"kernel": (kernel, kernel), "stride": (stride, stride)}
    return Block(name=name, kind="conv", inputs=(source,), outputs=outputs, relu=relu, **pairs)


def _classifier(source: str, classes: int) -> tuple[Block, ...]:
    pool = Block(name="pool", kind="pool", inputs=(source,), relu=False)
    return pool, Block(name="dense", kind="dense", inputs=("pool",), outputs=classes, relu=False)


def _resnet8() -> Architecture:
    blocks = [_conv("conv", INPUT, 16)]
    source = "conv"
    for stage, outputs in enumerate((16, 32, 64), start=1):
        stride = 1 if stage == 1 else 2
        first, second, shortcut, total = (f"stage{stage}_{part}" for part in ("conv1", "conv2", "shortcut", "add"))
        blocks += [_conv(first, source, outputs, stride=stride), _conv(second, first, outputs, relu=False)]
        if stage > 1:
            blocks.append(_conv(shortcut, source, outputs, kernel=1, stride=stride, relu=False))
        blocks.append(Block(name=total, kind="add", inputs=(shortcut if stage > 1 else source, second)))
        source = total
    return Architecture(
        name="resnet8",
        size=(32, 32),
        channels=3,
        scale=1 / 255,
        zero=0,
        blocks=(*blocks, *_classifier(source, 10)),
        shift=(4, 4),
        mirror=True,
    )


def _dscnn() -> Architecture:
    blocks = [Block(name="conv", kind="conv", inputs=(INPUT,), outputs=64, kernel=(10, 4), stride=(2, 2))]
    source = "conv"
    for stage in range(1, 5):
        spatial = Block(name=f"depthwise{stage}", kind="depthwise", inputs=(source,), kernel=(3, 3))
        blocks += [spatial, _conv(f"pointwise{stage}", spatial.name, 64, kernel=1)]
        source = f"pointwise{stage}"
    return Architecture(
        name="dscnn",
        size=(49, 10),
        channels=1,
        scale=1 / 32,
        zero=128,
        blocks=(*blocks, *_classifier(source, 12)),
        shift=(4, 0),
        mirror=False,
    )


def _digits() -> Architecture:
    blocks = (_conv("conv1", INPUT, 16), _conv("conv2", "conv1", 16), _conv("conv3", "conv2", 32, stride=2))
    last = Block(name="dense", kind="dense", inputs=("conv3",), outputs=10, relu=False)
    return Architecture(
        name="digits",
        size=(8, 8),
        channels=1,
        scale=1 / 16,
        zero=0,
        blocks=(*blocks, last),
        shift=(1, 1),
        mirror=False,
    )


ARCHITECTURES = {found.name: found for found in (_resnet8(), _dscnn(), _digits())}
"""The networks by their names."""
