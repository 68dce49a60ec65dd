# SPDX-License-Identifier: Apache-2.0
"""The five networks as their papers define them: stem, blocks, head. Width 1.0.

| network | source |
|---|---|
| mobilenet_v1 | Howard et al., arXiv 1704.04861, table 1 |
| mobilenet_v2 | Sandler et al., CVPR 2018, table 2 |
| mobilenet_v3_small, mobilenet_v3_large | Howard et al., arXiv 1905.02244, tables 1 and 2 |
| mnasnet_b1 | Tan et al., CVPR 2019 (the search result without squeeze-excite) |

Where the definitions leave a choice, the one taken is the one behind FuSeConv's results (DATE 2021): the last
hidden layer of both V3 networks has 1280 channels (later versions of the V3 paper say 1024 for the small one), every V3
row has its expansion, the first included, and squeeze-excite squeezes to a quarter of its channels, without bias.

50 % hybrids: FuSeConv replaces about half of the depthwise stages. Which ones, its authors' published models say: the
blocks marked `hybrid` below, in every network the earlier half, where images are large. With these blocks the published
parameter counts of all five networks come out to the last printed digit (cut, not rounded) and the published speed-ups
to within 0.1; picking the half that saves most cycles would give higher speed-ups than published.
"""

from collections.abc import Container
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Block:
    """One inverted residual (or, without `expand`, one depthwise separable) block.

    `inputs` channels are expanded to `hidden` by a pointwise layer (when `expand`), filtered `kernel` x `kernel` per
    channel with `stride`, squeezed and excited (when `excite`), and projected to `outputs` channels. `hybrid` blocks
    are those that the 50 % hybrids replace.
    """

    inputs: int
    hidden: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    expand: bool = True
    excite: bool = False
    hybrid: bool = False


@dataclass(frozen=True)
class Definition:
    """A network: channels of the 3x3/2 stem, blocks, pointwise layers before and hidden layers after the pooling."""

    stem: int
    blocks: tuple[Block, ...]
    head: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()


def _separable(stem: int, rows: list[tuple[int, int]]) -> list[Block]:
    """MobileNet-V1 rows: (outputs, stride)."""
    blocks, channels = [], stem
    for outputs, stride in rows:
        blocks.append(Block(channels, channels, outputs, stride=stride, expand=False))
        channels = outputs
    return blocks


def _inverted(channels: int, rows: list[tuple[int, int, int, int, int]]) -> list[Block]:
    """MobileNet-V2 and MnasNet rows: (expansion, outputs, repeats, stride of the first, kernel)."""
    blocks = []
    for factor, outputs, repeats, stride, kernel in rows:
        for i in range(repeats):
            hidden = channels * factor
            blocks.append(Block(channels, hidden, outputs, kernel, stride if i == 0 else 1, expand=factor > 1))
            channels = outputs
    return blocks


def _bneck(channels: int, rows: list[tuple[int, int, int, bool, int]]) -> list[Block]:
    """MobileNet-V3 rows: (kernel, hidden, outputs, squeeze-excite, stride)."""
    blocks = []
    for kernel, hidden, outputs, excite, stride in rows:
        blocks.append(Block(channels, hidden, outputs, kernel, stride, excite=excite))
        channels = outputs
    return blocks


def _hybrid(blocks: list[Block], replaced: Container[int]) -> tuple[Block, ...]:
    return tuple(replace(block, hybrid=i in replaced) for i, block in enumerate(blocks))


_V1 = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]

_V2 = [
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 32, 3, 2, 3),
    (6, 64, 4, 2, 3),
    (6, 96, 3, 1, 3),
    (6, 160, 3, 2, 3),
    (6, 320, 1, 1, 3),
]

_V3_SMALL = [
    (3, 16, 16, True, 2),
    (3, 72, 24, False, 2),
    (3, 88, 24, False, 1),
    (5, 96, 40, True, 2),
    (5, 240, 40, True, 1),
    (5, 240, 40, True, 1),
    (5, 120, 48, True, 1),
    (5, 144, 48, True, 1),
    (5, 288, 96, True, 2),
    (5, 576, 96, True, 1),
    (5, 576, 96, True, 1),
]

_V3_LARGE = [
    (3, 16, 16, False, 1),
    (3, 64, 24, False, 2),
    (3, 72, 24, False, 1),
    (5, 72, 40, True, 2),
    (5, 120, 40, True, 1),
    (5, 120, 40, True, 1),
    (3, 240, 80, False, 2),
    (3, 200, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 184, 80, False, 1),
    (3, 480, 112, True, 1),
    (3, 672, 112, True, 1),
    (5, 672, 160, True, 2),
    (5, 960, 160, True, 1),
    (5, 960, 160, True, 1),
]

_MNASNET_B1 = [
    (1, 16, 1, 1, 3),
    (3, 24, 3, 2, 3),
    (3, 40, 3, 2, 5),
    (6, 80, 3, 2, 5),
    (6, 96, 2, 1, 3),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
]

DEFINITIONS: dict[str, Definition] = {
    "mobilenet_v1": Definition(32, _hybrid(_separable(32, _V1), range(0, 5))),
    "mobilenet_v2": Definition(32, _hybrid(_inverted(32, _V2), range(1, 10)), head=(1280,)),
    "mobilenet_v3_small": Definition(16, _hybrid(_bneck(16, _V3_SMALL), (2, 4, 5, 6, 7)), head=(576,), hidden=(1280,)),
    "mobilenet_v3_large": Definition(16, _hybrid(_bneck(16, _V3_LARGE), range(1, 8)), head=(960,), hidden=(1280,)),
    "mnasnet_b1": Definition(32, _hybrid(_inverted(32, _MNASNET_B1), range(1, 10)), head=(1280,)),
}
