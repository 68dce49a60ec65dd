# SPDX-License-Identifier: Apache-2.0
"""An engine with an SDRAM on the simulated board: what the host says to it fills the SDRAM, too."""

from dataclasses import replace

import numpy as np
import pytest

from sysmt.base.errors import ConfigError, UserError
from sysmt.boards.network import EngineBoard
from sysmt.boards.virtual.board import DIVISOR, VirtualBoard
from sysmt.hdl.designs import engine_design
from sysmt.hdl.params.engine_protocol import EVERYWHERE, config_of, identity
from sysmt.hdl.params.program import Memory
from sysmt.hdl.params.sdram import CHIPS, SdramConfig
from sysmt.sim.engine.cycles import FETCH, computing_cycles
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.stream_timing import waiting
from sysmt.sim.engine.streaming import compile_streamed, streamed

from .engine_networks import random_inputs, random_plan, tall_network
from .mutants import seeded_bug
from .test_engine_stream import CHIP, ROOMY, STREAMED, programs

CONFIG = replace(STREAMED, divisor=DIVISOR, chunks=200)
SEEDS = (0, 1, 3)


def program(seed):
    roomy, _, inputs = programs(seed)
    return streamed(roomy, CONFIG), inputs


@pytest.fixture(scope="module")
def port():
    with VirtualBoard(CONFIG) as virtual:
        yield virtual.port


@pytest.mark.parametrize("name", CHIPS)
def test_identity_is_read_back(name):
    """The chip to the last bit: a board is known by what it says."""
    sdram = SdramConfig(chip=CHIPS[name], clock_hz=62.5e6, cas=3, capture=4)
    config = replace(CONFIG, stream=sdram, chunks=4096)
    assert config_of(identity(config, "1.2.3")) == config
    assert config_of(identity(ROOMY, "1.2.3")) == ROOMY
    assert list(identity(ROOMY, "1.2.3")) == list(EVERYWHERE)[: len(identity(ROOMY, "1.2.3"))]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"t_rcd": 20.001}, "stream.chip.t_rcd must be a multiple of 1/100 to be told over the link, not 20.001"),
        ({"t_rc": 700}, "stream cannot be told over the link: t_rc must be from 0 to 65535, not 70000"),
        ({"name": "too many letters!"}, "stream.chip.name must be at most 16 characters of ASCII, not .*"),
    ],
)
def test_a_chip_that_registers_cannot_tell_is_refused(fields, message):
    with pytest.raises(ConfigError, match=f"^{message}$"):
        engine_design(replace(CONFIG, stream=SdramConfig(chip=replace(CHIP, **fields))), "engine")


def test_a_larger_chip_is_used_as_far_as_the_link_reaches():
    large = CHIPS["as4c32m16sb_7"]
    assert large.address_bits == 25
    assert replace(CONFIG, stream=SdramConfig(chip=large)).host_memories[Memory.SDRAM] == (16, 1 << 24)


def test_programs_one_after_the_other(port):
    """The host fills the SDRAM, whatever was read from it before; layers take what the model says."""
    with EngineBoard(port) as board:
        assert board.config == CONFIG
        for seed in SEEDS:
            compiled, inputs = program(seed)
            board.load(compiled)
            run = board.run(inputs)
            np.testing.assert_array_equal(run.outputs, GoldenEngine(compiled).run(inputs))
            least = computing_cycles(compiled)
            assert sum(run.layer_cycles) == run.cycles[-1]
            # With time between runs, the first weights are there; where the refreshes fall is the host's doing.
            assert all(taken >= computed for taken, computed in zip(run.layer_cycles, least, strict=True))
            assert sum(run.layer_cycles) <= sum(waiting(compiled, least, FETCH)[0]) + CONFIG.stream.refresh_interval


@pytest.mark.regress
def test_an_input_lies_in_the_sdram(port):
    """The host writes it there between runs; it comes band by band."""
    network = tall_network(2)
    compiled = compile_streamed(network, random_plan(network, CONFIG, 2), CONFIG)
    assert compiled.input_memory == Memory.SDRAM
    inputs = random_inputs(network, 2, 2)
    with EngineBoard(port) as board:
        board.load(compiled)
        run = board.run(inputs)
    np.testing.assert_array_equal(run.outputs, GoldenEngine(compiled).run(inputs))


def test_the_other_kind_of_program_is_refused(port):
    roomy, _, _ = programs(1)
    with EngineBoard(port) as board:
        with pytest.raises(UserError, match=r"\(no SDRAM instead of weights in an SDRAM\): compile it again"):
            board.load(roomy)
        board.load(program(1)[0])


@pytest.mark.regress
def test_bytes_that_do_not_wait_for_the_sdram_are_found():
    with seeded_bug("sysmt.hdl.engine.top", "LinkedEngine", "~(commands.write.any() | self._writing)", "1"):
        broken = engine_design(CONFIG, "board")
    compiled, inputs = program(0)
    with VirtualBoard(CONFIG, broken) as virtual, EngineBoard(virtual.port) as board:
        board.load(compiled)
        assert not np.array_equal(board.run(inputs).outputs, GoldenEngine(compiled).run(inputs))
