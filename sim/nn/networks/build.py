# SPDX-License-Identifier: Apache-2.0
"""Layer tables: a definition unrolled for 224x224 images and 1000 classes, its depthwise stages replaced or not."""

from sysmt.base.choice import choose, must_be_one_of
from sysmt.base.errors import UserError
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.layer import Layer

from .definitions import DEFINITIONS, Block

IMAGE = 224
CLASSES = 1000
VARIANTS = ("baseline", "full", "half", "full50", "half50")
EXCITE_RATIO = 4


def network(name: str, variant: str = "baseline") -> tuple[Layer, ...]:
    """The layers of a network, in the order in which they run.

    Parameters
    ----------
    name : str
        One of `DEFINITIONS`.
    variant : str
        `baseline`: depthwise. `full`, `half`: every depthwise stage replaced by FuSeConv's (DATE 2021).
        `full50`, `half50`: only the stages that the authors' 50 % hybrids replace.

    Raises
    ------
    UserError
        Unknown network or variant.
    """
    definition = choose("network", name, DEFINITIONS)
    if variant not in VARIANTS:
        raise UserError(must_be_one_of("variant", variant, VARIANTS))
    builder = _Builder()
    builder.conv("stem", definition.stem, stride=2)
    for i, block in enumerate(definition.blocks):
        builder.block(f"block{i}", block, _spatial(block, variant))
    for outputs in definition.head:
        builder.pointwise("head", outputs)
    builder.size = 1
    for outputs in definition.hidden:
        builder.fully_connected("hidden", outputs)
    builder.fully_connected("classifier", CLASSES)
    return tuple(builder.layers)


def _spatial(block: Block, variant: str) -> str:
    """What the spatial stage of a block is in a variant: `baseline`, `full` or `half`."""
    if variant.endswith("50"):
        return variant.removesuffix("50") if block.hybrid else "baseline"
    return variant


class _Builder:
    """Appends layers and follows the size of the image and the number of channels."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self.size = IMAGE
        self.channels = 3

    def _add(
        self,
        name: str,
        kind: str,
        outputs: int,
        *,
        kernel: tuple[int, int] = (1, 1),
        stride: int = 1,
        channels: int | None = None,
        bias: bool = False,
        norm: bool = False,
    ) -> Layer:
        """A layer whose kernel, of odd size, is centred on every pixel."""
        down, across = (size // 2 for size in kernel)
        layer = Layer(
            name=name,
            kind=kind,
            geometry=Geometry(
                size=(self.size, self.size),
                kernel=kernel,
                stride=(stride, stride),
                padding=((down, down), (across, across)),
            ),
            channels=channels or self.channels,
            outputs=outputs,
            bias=bias,
            norm=norm,
        )
        self.layers.append(layer)
        return layer

    def conv(self, name: str, outputs: int, stride: int) -> None:
        layer = self._add(name, "conv", outputs, kernel=(3, 3), stride=stride, norm=True)
        self.size, self.channels = layer.out_size[0], outputs

    def pointwise(self, name: str, outputs: int) -> None:
        self._add(name, "pointwise", outputs, norm=True)
        self.channels = outputs

    def fully_connected(self, name: str, outputs: int) -> None:
        self._add(name, "fc", outputs, bias=True)
        self.channels = outputs

    def block(self, name: str, block: Block, spatial: str) -> None:
        if block.expand:
            self.pointwise(f"{name}.expand", block.hidden)
        if spatial == "baseline":
            self._depthwise(name, block)
        else:
            self._fuse(name, block, self.channels if spatial == "full" else self.channels // 2)
        if block.excite:
            self._excite(name)
        self.pointwise(f"{name}.project", block.outputs)

    def _depthwise(self, name: str, block: Block) -> None:
        kernel = (block.kernel, block.kernel)
        layer = self._add(
            f"{name}.depthwise", "depthwise", self.channels, kernel=kernel, stride=block.stride, norm=True
        )
        self.size = layer.out_size[0]

    def _fuse(self, name: str, block: Block, group: int) -> None:
        """1xK and Kx1 stages of `group` channels each; row results come first in the concatenation."""
        row, col = (1, block.kernel), (block.kernel, 1)
        layer = self._add(f"{name}.row", "fuse_row", group, kernel=row, stride=block.stride, channels=group, norm=True)
        self._add(f"{name}.col", "fuse_col", group, kernel=col, stride=block.stride, channels=group, norm=True)
        self.size, self.channels = layer.out_size[0], 2 * group

    def _excite(self, name: str) -> None:
        """Squeeze-excite: two small layers on the means of the channels."""
        size, channels = self.size, self.channels
        self.size = 1
        self._add(f"{name}.squeeze", "fc", channels // EXCITE_RATIO)
        self._add(f"{name}.excite", "fc", channels, channels=channels // EXCITE_RATIO)
        self.size = size
