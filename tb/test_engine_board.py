# SPDX-License-Identifier: Apache-2.0
"""The driver of an engine on the simulated board: pins, UART, frames, requests, and the gates behind them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.boards.driver import Board
from sysmt.boards.frames import Frame, encode
from sysmt.boards.link import LinkError
from sysmt.boards.network import EngineBoard
from sysmt.boards.transport import TransportError
from sysmt.boards.virtual.board import DIVISOR, VirtualBoard
from sysmt.cli.main import main
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import ARGUMENTS, STATE, config_of, identity
from sysmt.hdl.params.presets import ENGINES
from sysmt.hdl.params.program import DESCRIPTOR, DESCRIPTOR_WORDS, EngineError, Memory
from sysmt.hdl.params.protocol import Opcode, Status
from sysmt.sim.engine.compiler import compile_network
from sysmt.sim.engine.cycles import program_cycles
from sysmt.sim.engine.golden import GoldenEngine
from sysmt.sim.engine.program import Program
from sysmt.sim.nn.forward import exact_plan
from sysmt.sim.nn.graph import Graph
from sysmt.sim.nn.network import build

from .accel import status_of
from .engine_network_builder import Builder
from .engine_networks import random_inputs, random_network, random_plan

CONFIG = EngineConfig(
    array=ArrayConfig(rows=4, cols=4, counters=False).with_fields(threads=2, target="fpga"),
    **{"fill": 2, "lanes": 2, "x_depth": 256, "activation_words": 1024, "weight_words": 2048, "scatter_words": 1024},
    **{"parameter_words": 256, "layers": 16, "divisor": DIVISOR},
)


def program(seed: int, config: EngineConfig = CONFIG) -> tuple[Program, np.ndarray]:
    network, _ = random_network(seed, layers=3)
    return compile_network(network, random_plan(network, config, seed), config), random_inputs(network, 3, seed)


@pytest.fixture(scope="module")
def port():
    with VirtualBoard(CONFIG) as virtual:
        yield virtual.port


@pytest.mark.parametrize(
    "config",
    [
        CONFIG,
        replace(CONFIG, add_lanes=2, lanes=4, x_depth=4096, fill=4),
        replace(CONFIG, array=ArrayConfig(rows=256, cols=256, counters=False), fill=1, lanes=256, slot=4096),
        *(config for config in ENGINES.values()),
    ],
    ids=str,
)
def test_identity_is_read_back(config):
    """Every field that is not its default: a board is known by what it says."""
    assert config_of(identity(config, "1.2.3")) == config


def test_programs_and_inputs_one_after_the_other(port):
    """The next input travels while one is computed; a second program replaces the first."""
    with EngineBoard(port) as board:
        assert board.config == CONFIG
        for seed in (1, 2):
            compiled, inputs = program(seed)
            board.load(compiled)
            run = board.run(inputs)
            np.testing.assert_array_equal(run.outputs, GoldenEngine(compiled).run(inputs))
            cycles = program_cycles(compiled)
            assert run.cycles == [sum(cycles)] * len(inputs)
            assert run.layer_cycles == cycles


def test_what_is_no_program_is_refused(port):
    with EngineBoard(port) as board, pytest.raises(UserError, match="^program must be what compile_model or read_"):
        board.load("digits.sysmt")


def test_a_board_says_that_it_holds_an_engine(port, capsys):
    compiled, inputs = program(1)
    with EngineBoard(port) as board:
        board.load(compiled)
        board.run(inputs)
    assert main(["board", "info", "--port", port, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["fingerprint"] == f"{CONFIG.fingerprint:016x}"
    assert (facts["rows"], facts["threads"], facts["activation_words"]) == (4, 2, 1024)
    assert facts["runs_finished"] == facts["runs_issued"] > 0
    assert facts["cycles"] == sum(program_cycles(compiled))
    assert facts["last_error"] == "none"


def in_one_place(seed: int) -> tuple[Program, np.ndarray]:
    """A program whose input has one place only: compiled for as few words as it takes, run with more."""
    for words in range(8, 200):
        try:
            compiled, inputs = program(seed, replace(CONFIG, activation_words=words))
        except UserError:
            continue
        assert compiled.input_first(0) == compiled.input_first(1)
        return replace(compiled, config=CONFIG), inputs
    raise AssertionError("the network fits nowhere")


def test_an_input_with_one_place_waits_for_the_run_before_it(port):
    """And is not written over the one that is being computed."""
    compiled, inputs = in_one_place(1)
    many = np.concatenate([inputs, inputs[::-1], inputs])
    with EngineBoard(port) as board:
        board.load(compiled)
        np.testing.assert_array_equal(board.run(many).outputs, GoldenEngine(compiled).run(many))


def test_a_load_that_is_cut_off_leaves_no_program(port, monkeypatch):
    compiled, inputs = program(1)
    with EngineBoard(port) as board:
        board.load(compiled)

        def unplugged(*_):
            raise TransportError("the cable is pulled")

        with monkeypatch.context() as cut:
            cut.setattr(board.link, "wait", unplugged)
            with pytest.raises(TransportError):
                board.load(compiled)
        with pytest.raises(UserError, match="load one first"):
            board.run(inputs)


def test_a_failed_run_is_reported_and_the_board_goes_on(port):
    compiled, inputs = program(1)
    descriptors = compiled.descriptors
    index = max(i for i, layer in enumerate(descriptors) if layer["operation"] == 0)
    assert index > 0, "the number of the first layer is that of none"
    descriptors[index]["out_base"] = 1023
    packed = b"".join(DESCRIPTOR.pack(**found).ljust(4 * DESCRIPTOR_WORDS, b"\0") for found in descriptors)
    words = np.frombuffer(packed, np.uint8).reshape(-1, 4)
    damaged = replace(compiled, images=compiled.images | {Memory.DESCRIPTORS: words})
    with EngineBoard(port) as board:
        board.load(damaged)
        with pytest.raises(
            UserError, match=rf"run failed in layer {index} \(address\): the program is damaged; load it again$"
        ):
            board.run(inputs)
        state = STATE["state"].from_int(board.registers()["state"])
        assert state == {"busy": 0, "error": EngineError.ADDRESS, "layer": index}
        with pytest.raises(UserError, match=r"run failed|REFUSED"):
            board.run(inputs[:1])
        board.load(compiled)
        np.testing.assert_array_equal(board.run(inputs).outputs, GoldenEngine(compiled).run(inputs))


def test_a_damaged_frame_is_counted(port):
    with EngineBoard(port) as board:
        before = STATE["errors"].from_int(board.registers()["errors"])
        damaged = bytearray(encode(Frame(Opcode.SYNC, 0, bytes(8))))
        damaged[-3] ^= 1
        board.link.transport.write(bytes(damaged))
        after = STATE["errors"].from_int(board.registers()["errors"])
        assert after == before | {"frames": before["frames"] + 1}


def test_reads_of_what_is_not_there_are_refused(port):
    compiled, inputs = program(1)
    with EngineBoard(port) as board:
        board.load(compiled)
        outputs = board.run(inputs).outputs
        issued = STATE["runs"].from_int(board.registers()["runs"])["issued"]
        for target, address, words in ((0, 1024, 1), (0, 0, 65535), (0, 1023, 2), (1, 16, 1), (7, 0, 1)):
            asked = ARGUMENTS[Opcode.READ].pack(run=issued, target=target, address=address, words=words)
            assert status_of(board, Opcode.READ, asked) is Status.REFUSED, (target, address, words)
        np.testing.assert_array_equal(board.run(inputs).outputs, outputs)


def test_writes_beyond_a_memory_are_refused(port):
    with EngineBoard(port) as board:
        number = STATE["runs"].from_int(board.registers()["runs"])["issued"] + 1
        for memory, (_, depth) in CONFIG.host_memories.items():
            word = bytes(CONFIG.host_bytes[memory.name.lower()])
            for first, words in ((depth - 1, 1), (depth - 1, 2), (depth, 1)):
                head = ARGUMENTS[Opcode.WRITE].pack(run=number, target=memory, address=first)
                wanted = Status.OK if first + words <= depth else Status.REFUSED
                assert status_of(board, Opcode.WRITE, head + word * words) is wanted, (memory, first)


def long_program() -> tuple[Program, np.ndarray]:
    """One that runs for as many cycles as some frames take."""
    builder = Builder(10)
    first = x = builder.tensor((1, 16, 16, 8), 0.05, -128)
    for _ in range(3):
        x = builder.conv(x, 8, keep=True)
    network = build(Graph(tensors=tuple(builder.tensors), nodes=tuple(builder.nodes), input=first, output=x))
    compiled = compile_network(network, exact_plan(network), CONFIG)
    assert sum(program_cycles(compiled)) > 500 * 10 * DIVISOR, "as long as 500 bytes on the link"
    return compiled, random_inputs(network, 2, 3)


def begun(board: EngineBoard, compiled: Program, inputs: np.ndarray) -> None:
    """Start a run, and do not wait for it."""
    number = STATE["runs"].from_int(board.registers()["runs"])["issued"] + 1
    board.send(number, compiled.input_memory, compiled.input_first(number & 1), compiled.pack(inputs[:1])[0])
    board.start(number)
    registers = board.registers()
    runs, state = (STATE[name].from_int(registers[name]) for name in ("runs", "state"))
    assert runs["issued"] == number != runs["finished"], "it is not under way"
    assert state["busy"] == 1


def test_a_host_that_leaves_amid_a_run(port):
    """The next one waits for the end of the run, and everything is right."""
    compiled, inputs = long_program()
    with EngineBoard(port) as board:
        board.load(compiled)
        begun(board, compiled, inputs)
    with EngineBoard(port) as board:
        board.load(compiled)
        run = board.run(inputs)
        np.testing.assert_array_equal(run.outputs, GoldenEngine(compiled).run(inputs))
        assert run.cycles == [sum(program_cycles(compiled))] * len(inputs)
        assert run.seconds > 0


def test_a_reset_amid_a_run():
    """Of the hardware: the program is still in the memories, and the next run is right."""
    compiled, inputs = long_program()
    with VirtualBoard(CONFIG) as virtual, EngineBoard(virtual.port) as board:
        board.load(compiled)
        begun(board, compiled, inputs)
        virtual.reset()
        with pytest.raises(LinkError, match="REFUSED|STALE"):
            board.receive(1, compiled.output_first(1), compiled.output_words)
        registers = board.registers()
        assert STATE["state"].from_int(registers["state"]) == {"busy": 0, "error": 0, "layer": 0}
        assert STATE["runs"].from_int(registers["runs"]) == {"issued": 0, "finished": 0}
        run = board.run(inputs)
        np.testing.assert_array_equal(run.outputs, GoldenEngine(compiled).run(inputs))
        assert run.cycles == [sum(program_cycles(compiled))] * len(inputs)


def test_a_program_of_another_engine_is_refused_and_nothing_is_lost(port):
    compiled, inputs = program(2)
    other, _ = program(2, replace(CONFIG, weight_words=1500))
    with EngineBoard(port) as board:
        board.load(compiled)
        with pytest.raises(UserError, match="weight_words = 1500 instead of 2048"):
            board.load(other)
        wide, _ = program(2, replace(CONFIG, array=replace(CONFIG.array, rows=8)))
        with pytest.raises(UserError, match=r" \(array\.rows = 8 instead of \d+\): compile it again for this board$"):
            board.load(wide)
        np.testing.assert_array_equal(board.run(inputs).outputs, GoldenEngine(compiled).run(inputs))


def test_a_run_needs_a_program(port):
    with EngineBoard(port) as board, pytest.raises(UserError, match="load one first"):
        board.run(np.zeros((1, 2, 2, 1), np.int8))


def test_the_driver_of_matrix_products_names_what_it_found(port):
    with pytest.raises(LinkError, match="holds an engine for networks, not an accelerator for matrix products"):
        Board(port)
