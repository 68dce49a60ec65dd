# SPDX-License-Identifier: Apache-2.0
"""An engine on every link without memory of its own: programs and inputs come by themselves, outputs leave."""

import numpy as np
import pytest

from sysmt.boards.program_lists import ProgramLists
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.command_list import ListError, ListOpcode, packed_command, with_data
from sysmt.sim.cosim.simulator import run
from sysmt.sim.engine.golden import GoldenEngine

from .test_dma_engine import CONFIG, compiled

LINKS = {
    "axi-stream": ("tb.tb_dma_stream", {"link": "axi-stream", "data_width": 64}),
    "axi-stream on two clocks": ("tb.tb_dma_stream", {"link": "axi-stream", "bus_clock": True}),
    "cfu": ("tb.tb_dma_cfu", {"link": "cfu"}),
}


@pytest.mark.regress
@pytest.mark.parametrize("share", [0.0, 0.5])
@pytest.mark.parametrize("link", LINKS)
def test_a_network_by(link, share):
    """Loaded, run on three inputs, a list that fails, and run again: outputs are the golden engine's."""
    module, fields = LINKS[link]
    config = CONFIG.with_fields(**fields)
    program, inputs = compiled(1, config)
    lists = ProgramLists(program, 0)
    images = lists.pack(inputs)
    sources = [i * images.shape[1] for i in range(len(images))]
    runs = lists.run(sources, images.shape[1], [0] * len(images))
    unknown = packed_command(config, ListOpcode.RUN, half=0)
    unknown = bytes([0xFF]) + unknown[1:]
    played = [
        (lists.load, lists.data, ListError.NONE, len(lists.load)),
        (runs, images.reshape(-1), ListError.NONE, len(runs)),
        ([unknown, *runs], images.reshape(-1), ListError.COMMAND, 0),
        (runs, images.reshape(-1), ListError.NONE, len(runs)),
    ]
    texts = [with_data(config, commands, memory.tobytes()) for commands, memory, *_ in played]
    got = run(
        design_of(config, "device"),
        module,
        {
            "lists": np.frombuffer(b"".join(texts), np.uint8),
            "list_bytes": np.array([len(text) for text in texts]),
            "commands": np.array([len(commands) for commands, *_ in played]),
            "share": np.float64(share),
        },
        testcase="lists",
    )
    assert got["ends"].tolist() == [[error, number] for *_, error, number in played]
    if "sizes" in got:
        assert got["sizes"].tolist() == [lists.output_bytes] * (2 * len(inputs))
    outputs = lists.unpack(got["frames"].reshape(2 * len(inputs), -1))
    golden = GoldenEngine(program).run(inputs)
    np.testing.assert_array_equal(outputs, np.concatenate([golden, golden]))
