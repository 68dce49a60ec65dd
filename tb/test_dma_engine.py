# SPDX-License-Identifier: Apache-2.0
"""An engine on AXI and on Wishbone: programs, inputs and outputs from lists, in a memory that is late and stalls."""

import numpy as np
import pytest

from sysmt.boards.program_lists import ProgramLists
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.command_list import ListError, ListOpcode, commands_of, number_of, packed_command
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import NUMBERS, STATE, identity
from sysmt.hdl.params.program import DESCRIPTOR_WORDS, EngineError, Memory
from sysmt.sim.cosim.bus import SimulatedBus
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.golden import GoldenEngine

from .engine_networks import random_inputs, random_network, random_plan

CONFIG = EngineConfig(
    array=ArrayConfig(rows=2, cols=2, counters=False).with_fields(threads=2, target="asic"),
    **{"fill": 4, "lanes": 1, "x_depth": 256, "activation_words": 1024, "weight_words": 4096, "scatter_words": 1024},
    **{"parameter_words": 512, "layers": 16, "link": "axi", "data_width": 32},
)
WISHBONE = CONFIG.with_fields(link="wishbone")
PROGRAM, LIST, INPUTS = 0x10000, 0x1000, 0x2000


def compiled(seed: int, config: EngineConfig = CONFIG):
    network, _ = random_network(seed, layers=3)
    return compile_network(network, random_plan(network, config, seed), config), random_inputs(network, 3, seed)


def load(bus: SimulatedBus, lists: ProgramLists) -> None:
    bus.memory[PROGRAM : PROGRAM + len(lists.data)] = lists.data
    assert bus.do(lists.load, LIST)[0] == ListError.NONE


def run(bus: SimulatedBus, lists: ProgramLists, inputs: np.ndarray) -> np.ndarray:
    images = lists.pack(inputs)
    bus.memory[INPUTS : INPUTS + images.size] = images.reshape(-1)
    outputs = INPUTS + images.size
    sources = [INPUTS + i * images.shape[1] for i in range(len(images))]
    targets = [outputs + i * lists.output_bytes for i in range(len(images))]
    assert targets[-1] + lists.output_bytes < PROGRAM
    assert bus.do(lists.run(sources, images.shape[1], targets), LIST)[0] == ListError.NONE
    left = bus.memory[outputs : outputs + len(images) * lists.output_bytes]
    return lists.unpack(left.reshape(len(images), -1))


@pytest.mark.parametrize("config", [CONFIG, pytest.param(WISHBONE, marks=pytest.mark.regress)], ids=["axi", "wishbone"])
def test_programs_and_inputs_one_after_the_other(config):
    """As golden and in the cycles of the model: the next input travels while one is computed."""
    with SimulatedBus(config, latency=30, stall=0.2) as bus:
        for name, word in identity(config, "0").items():
            if name != "version":
                assert bus.read(NUMBERS[name]) == (0, word)
        for seed in (1, 2, 5):
            program, inputs = compiled(seed, config)
            lists = ProgramLists(program, PROGRAM)
            load(bus, lists)
            np.testing.assert_array_equal(run(bus, lists, inputs), GoldenEngine(program).run(inputs))
            cycles = program_cycles(program)
            assert bus.read(NUMBERS["cycles"]) == (0, sum(cycles))
            for layer, expected in enumerate(cycles):
                bus.write(number_of("layer"), layer)
                assert bus.link("layer_cycles")["layer_cycles"] == expected


def test_a_run_begins_while_the_results_of_the_one_before_travel():
    """And the next input comes while it runs."""
    program, _ = compiled(1)
    first, second = (packed_command(CONFIG, ListOpcode.RUN, half=half) for half in (0, 1))
    read = packed_command(CONFIG, ListOpcode.READ, address=0x8000, beats=2048, first=0)

    def cycles(bus: SimulatedBus, *commands: bytes) -> int:
        bus.start(list(commands), LIST)
        return bus.wait()

    with SimulatedBus(CONFIG) as bus:
        load(bus, ProgramLists(program, PROGRAM))
        run, results = cycles(bus, first), cycles(bus, first, read)
        assert results > 2 * run, "the results take longer than a run"
        assert cycles(bus, first, read, second) < results + run // 2
        # The inputs of the second run, a few words of them.
        head = {"target": Memory.ACTIVATIONS, "half": 1, "address": 0, "first": 900}
        write = packed_command(CONFIG, ListOpcode.WRITE, beats=run // 8 * 2, **head)
        assert cycles(bus, first, write) < cycles(bus, first) + cycles(bus, write) // 2


def test_words_for_the_half_of_a_run_wait_until_it_has_ended():
    program, inputs = compiled(1)
    lists = ProgramLists(program, PROGRAM)
    images = lists.pack(inputs)[:1]
    size, target = images.size, 0x8000
    commands = lists.run([INPUTS], size, [target])
    assert [command[0] for command in commands] == [ListOpcode.WRITE, ListOpcode.RUN, ListOpcode.READ]
    head = commands_of(CONFIG)[ListOpcode.WRITE].unpack(commands[0])
    other = packed_command(CONFIG, head.pop("opcode"), **(head | {"address": INPUTS + size}))
    with SimulatedBus(CONFIG) as bus:
        load(bus, lists)
        bus.memory[INPUTS : INPUTS + size] = images.reshape(-1)
        bus.memory[INPUTS + size : INPUTS + 2 * size] = ~images.reshape(-1)
        assert bus.do([*commands[:2], other, commands[2]], LIST)[0] == ListError.NONE
        left = bus.memory[target : target + lists.output_bytes].reshape(1, -1)
        np.testing.assert_array_equal(lists.unpack(left), GoldenEngine(program).run(inputs[:1]))


def test_a_run_that_fails_ends_its_list_and_a_program_mends_it():
    program, inputs = compiled(1)
    lists = ProgramLists(program, PROGRAM)
    with SimulatedBus(CONFIG, latency=5) as bus:
        load(bus, lists)
        index = len(program.descriptors) - 1
        place = {"target": Memory.DESCRIPTORS, "first": index * DESCRIPTOR_WORDS}
        broken = packed_command(CONFIG, ListOpcode.WRITE, half=0, address=0, beats=2, **place)
        bus.memory[:8] = 255
        order = packed_command(CONFIG, ListOpcode.RUN, half=0)
        read = packed_command(CONFIG, ListOpcode.READ, address=0x100, beats=2, first=0)
        assert bus.do([broken, order, order, read], LIST)[0] == ListError.RUN
        state = STATE["state"].from_int(bus.read(NUMBERS["state"])[1])
        assert state == {"busy": 0, "error": EngineError.DESCRIPTOR, "layer": index}
        assert bus.do([order], LIST) == (ListError.RUN, 0)
        load(bus, lists)
        np.testing.assert_array_equal(run(bus, lists, inputs), GoldenEngine(program).run(inputs))


def test_a_whole_memory_in_one_command():
    """More beats than the bus has on their way at a time."""
    with SimulatedBus(CONFIG, latency=5) as bus:
        whole = [
            packed_command(CONFIG, ListOpcode.WRITE, target=memory, half=0, address=0, beats=beats, first=0)
            for memory, beats in ((Memory.WEIGHTS, 4096), (Memory.ACTIVATIONS, 2048))
        ]
        bus.memory[:0x2000] = np.random.default_rng(0).integers(0, 256, 0x2000, np.uint8)
        read = packed_command(CONFIG, ListOpcode.READ, address=0x8000, beats=2048, first=0)
        assert bus.do([*whole, whole[0], read], 0x10000)[0] == ListError.NONE
        np.testing.assert_array_equal(bus.memory[0x8000:0xA000], bus.memory[:0x2000])


@pytest.mark.parametrize(
    ("opcode", "arguments", "error"),
    [
        (ListOpcode.WRITE, {"target": 5, "half": 0, "address": 0, "beats": 1, "first": 0}, ListError.COMMAND),
        (ListOpcode.WRITE, {"target": 4, "half": 0, "address": 0, "beats": 3, "first": 0}, ListError.ARGUMENT),
        (ListOpcode.WRITE, {"target": 2, "half": 0, "address": 0, "beats": 2, "first": 4095}, ListError.ARGUMENT),
        (ListOpcode.READ, {"address": 0, "beats": 0, "first": 0}, ListError.ARGUMENT),
        (ListOpcode.READ, {"address": 0, "beats": 3, "first": 1023}, ListError.ARGUMENT),
        (ListOpcode.READ, {"address": 2, "beats": 2, "first": 0}, ListError.ALIGNMENT),
    ],
)
def test_arguments_that_cannot_be_are_refused(opcode, arguments, error):
    with SimulatedBus(CONFIG) as bus:
        assert bus.do([packed_command(CONFIG, opcode, **arguments)], LIST) == (error, 0)
