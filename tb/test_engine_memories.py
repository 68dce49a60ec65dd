# SPDX-License-Identifier: Apache-2.0
"""Memories of the parts of an engine: as many bits as the configuration says, which areas and parts are chosen by."""

import re

import pytest
from amaranth.back import rtlil

from sysmt.hdl.engine.memory import ActivationMemory
from sysmt.hdl.engine.patches import PatchCollector
from sysmt.hdl.engine.word_store import WordStore
from sysmt.hdl.engine.x_buffer import XBuffer
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig

MEMORIES = {"activations": ActivationMemory, "patches": PatchCollector, "words": WordStore, "x": XBuffer}


@pytest.mark.parametrize(("rows", "cols", "fill", "patch"), [(4, 4, 2, 2), (3, 6, 4, 2), (8, 8, 1, 8)])
@pytest.mark.parametrize("name", MEMORIES)
def test_bits_of_memories(name, rows, cols, fill, patch):
    """Of target `asic`, where no queue is beside the activations."""
    config = EngineConfig(
        array=ArrayConfig(rows=rows, cols=cols).with_fields(threads=2, target="asic"),
        **{"fill": fill, "lanes": cols // 2, "patch": patch, "x_depth": 16, "activation_words": 96},
    )
    text = rtlil.convert(MEMORIES[name](config))
    sizes = [(int(width), int(depth)) for width, depth in re.findall(r"memory width (\d+) size (\d+)", text)]
    width, depth = config.memories[name]
    assert sum(width * depth for width, depth in sizes) == width * depth
