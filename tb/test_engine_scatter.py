# SPDX-License-Identifier: Apache-2.0
"""The word of the scatter table fills the memory that the configuration sizes for it."""

import pytest

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.pe import PEConfig
from sysmt.hdl.params.scatter import scatter_word


@pytest.mark.parametrize("threads", [1, 2, 4])
@pytest.mark.parametrize("fill", [1, 2, 4])
def test_a_word_is_as_wide_as_the_memory(threads, fill):
    config = EngineConfig(array=ArrayConfig(rows=4, cols=4, pe=PEConfig(threads=threads)), fill=fill, x_depth=64)
    word = scatter_word(config)
    width = config.memories["scatter"][0]
    assert sum(field.width for field in word.fields.values()) == width
    entries = {f"{name}_{i}": value for i in range(fill) for name, value in (("valid", 1), ("zero", 0), ("pair", 0))}
    values = {"last": 1, "advance": 0, **entries, **{f"step_{i}": 63 - i for i in range(fill)}}
    assert word.from_int(word.to_int(values)) == values
    assert word.to_int(values) < 1 << width
