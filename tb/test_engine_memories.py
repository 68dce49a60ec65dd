# SPDX-License-Identifier: Apache-2.0
"""Memories of the parts of an engine: as many bits as the configuration says, which areas and parts are chosen by."""

import re

import pytest
from amaranth.back import rtlil

from sysmt.hdl.engine.engine import Engine
from sysmt.hdl.engine.memory import ActivationMemory
from sysmt.hdl.engine.patches import PatchCollector
from sysmt.hdl.engine.word_store import WordStore
from sysmt.hdl.engine.x_buffer import XBuffer
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig

MEMORIES = {"activations": ActivationMemory, "patches": PatchCollector, "words": WordStore, "x": XBuffer}


def sizes(text: str) -> list[tuple[int, int]]:
    """Width and depth of every memory."""
    return [(int(width), int(depth)) for width, depth in re.findall(r"memory width (\d+) size (\d+)", text)]


@pytest.mark.parametrize(("rows", "cols", "fill", "patch"), [(4, 4, 2, 2), (3, 6, 4, 2), (8, 8, 1, 8)])
@pytest.mark.parametrize("name", MEMORIES)
def test_bits_of_memories(name, rows, cols, fill, patch):
    """Of target `asic`, where no queue is beside the activations."""
    config = EngineConfig(
        array=ArrayConfig(rows=rows, cols=cols).with_fields(threads=2, target="asic"),
        **{"fill": fill, "lanes": cols // 2, "patch": patch, "x_depth": 16, "activation_words": 96},
    )
    width, depth = config.memories[name]
    assert sum(bits * words for bits, words in sizes(rtlil.convert(MEMORIES[name](config)))) == width * depth


def test_cycles_of_every_layer_have_32_bits():
    """As registers and answers tell them."""
    array = ArrayConfig(rows=1, cols=1, counters=False)
    text = rtlil.convert(Engine(EngineConfig(array=array, **{"fill": 1, "lanes": 1, "x_depth": 16, "layers": 7})))
    assert (32, 7) in sizes(text)
    for name in ("cycles", "layer_cycles"):
        # Of the engine and of its sequencer.
        assert len(re.findall(rf"wire width 32 output \d+ +\\{name}\n", text)) == 2
