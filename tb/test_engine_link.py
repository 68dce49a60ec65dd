# SPDX-License-Identifier: Apache-2.0
"""An engine behind its link, under the unchanged driver: runs behind others that fail, and what registers say of it."""

import numpy as np
import pytest

from sysmt.boards.network import EngineBoard
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.engine_protocol import ARGUMENTS, NUMBERS, STATE, ReadTarget
from sysmt.hdl.params.program import DESCRIPTOR, DESCRIPTOR_WORDS, PARAMETER, EngineError, Memory
from sysmt.hdl.params.protocol import Opcode, Status

from .accel import SimulatedTransport, status_of

CONFIG = EngineConfig(
    array=ArrayConfig(rows=1, cols=1, counters=False),
    **{"fill": 1, "lanes": 1, "x_depth": 16, "activation_words": 64, "weight_words": 16, "scatter_words": 16},
    **{"parameter_words": 16, "layers": 4, "slot": 512},
)
LAYER = {name: 0 for name, field in DESCRIPTOR.fields.items() if not field.reserved} | {
    **{"operation": 2, "kernel_h": 2, "kernel_w": 2, "group_words": 1, "groups": 1, "m_tiles": 4, "n_tiles": 1},
    **{"last_n_tiles": 1, "last_rows": 1, "last_cols": 1, "out_width": 2, "in_height": 3, "in_width": 3, "in_words": 1},
    **{"stride_h": 1, "stride_w": 1, "dilation_h": 1, "dilation_w": 1, "tap_x": 1, "tap_y": 3, "pixel_x": 1},
    **{"pixel_y": 3, "out_words": 1, "zero_point": -128, "low": -128, "high": 127},
    **{"from_input": 1, "in_half": 16, "to_output": 1, "out_base": 32, "out_half": 8},
}
"""The largest of 2 x 2, of an image of 3 x 3."""
LAST = LAYER | {"last": 1}
IMAGES = [[3, 1, 4, 1, 5, 9, 2, 6, 5], [8, 9, 7, 9, 3, 2, 3, 8, 4]]
LARGEST = [[5, 9, 6, 9], [9, 9, 9, 8]]


@pytest.fixture(scope="module")
def board():
    return EngineBoard(SimulatedTransport(CONFIG), timeout=0.1)


def state(board: EngineBoard, name: str) -> dict[str, int]:
    return STATE[name].from_int(board.link.registers(NUMBERS[name], 1)[0])


def write(board: EngineBoard, run: int, memory: Memory, address: int, words: bytes) -> Status:
    head = ARGUMENTS[Opcode.WRITE].pack(run=run & 0xFFFF, target=memory, address=address)
    return status_of(board, Opcode.WRITE, head + words)


def load(board: EngineBoard, run: int, *layers: dict[str, int], bias: int = 0) -> None:
    """Layers, and a scale of 1."""
    words = b"".join(DESCRIPTOR.pack(**layer).ljust(4 * DESCRIPTOR_WORDS, b"\0") for layer in layers)
    assert write(board, run, Memory.DESCRIPTORS, 0, words) is Status.OK
    assert write(board, run, Memory.PARAMETERS, 0, PARAMETER.pack(bias=bias, multiplier=1 << 30, shift=1)) is Status.OK


def orders(board: EngineBoard, *runs: int) -> list[Status]:
    """The answers to requests for runs that are sent one behind the other."""
    requests = [board.link.submit(Opcode.RUN, ARGUMENTS[Opcode.RUN].pack(run=run & 0xFFFF)) for run in runs]
    for request in requests:
        while request.answer is None:
            board.link._pump()
    return [request.status for request in requests]


def ended(board: EngineBoard) -> dict[str, int]:
    """Numbers of runs when none is under way, or after a time in which any would have ended."""
    for _ in range(20):
        if not state(board, "state")["busy"]:
            break
    return state(board, "runs")


def read(board: EngineBoard, run: int, address: int, words: int, target: int = ReadTarget.ACTIVATIONS) -> bytes:
    asked = {"run": run & 0xFFFF, "target": target, "address": address, "words": words}
    return board.link.ask(Opcode.READ, ARGUMENTS[Opcode.READ].pack(**asked))


def test_a_run_that_waits_is_over_when_the_one_before_fails(board):
    """Both are finished then, no other is taken, and nothing is read; a program that is written ends that."""
    run = state(board, "runs")["issued"] + 1
    load(board, run, LAYER, LAST | {"kernel_h": 0})
    assert orders(board, run, run + 1) == [Status.OK] * 2
    assert ended(board) == {"issued": run + 1, "finished": run + 1}
    failed = {"busy": 0, "error": EngineError.DESCRIPTOR, "layer": 1}
    assert state(board, "state") == failed
    assert orders(board, run + 2) == [Status.REFUSED]
    asked = {"run": run + 1, "target": ReadTarget.ACTIVATIONS, "address": 0, "words": 1}
    assert status_of(board, Opcode.READ, ARGUMENTS[Opcode.READ].pack(**asked)) is Status.REFUSED
    assert write(board, run + 2, Memory.ACTIVATIONS, 0, bytes(1)) is Status.OK
    assert state(board, "state") == failed, "an input is no program"
    load(board, run + 2, LAST)
    assert state(board, "state") == {"busy": 0, "error": EngineError.NONE, "layer": 0}
    assert orders(board, run + 2) == [Status.OK]
    assert read(board, run + 2, 0, 1) == bytes(1)
    assert state(board, "runs") == {"issued": run + 2, "finished": run + 2}


def test_a_sum_beyond_32_bits_fails_the_run(board):
    run = state(board, "runs")["issued"] + 1
    load(board, run, LAST, bias=(1 << 31) - 1)
    assert write(board, run, Memory.ACTIVATIONS, 16 * (run & 1), bytes([128] * 9)) is Status.OK
    assert orders(board, run) == [Status.OK]
    assert ended(board) == {"issued": run, "finished": run}
    assert state(board, "state") == {"busy": 0, "error": EngineError.OVERFLOW, "layer": 0}


def test_runs_one_behind_the_other(board):
    """A second RUN is answered while the first is under way; each has its half."""
    run = state(board, "runs")["issued"] + 1
    load(board, run, LAYER, LAYER, LAYER, LAST)
    for number in (run, run + 1):
        words = bytes(128 + value for value in IMAGES[number & 1])
        assert write(board, number, Memory.ACTIVATIONS, 16 * (number & 1), words) is Status.OK
    assert orders(board, run, run + 1) == [Status.OK] * 2
    assert state(board, "runs") == {"issued": run + 1, "finished": run - 1}
    assert state(board, "state")["busy"]
    for number in (run, run + 1):
        found = np.frombuffer(read(board, number, 32 + 8 * (number & 1), 4), np.uint8) - 128
        assert found.tolist() == LARGEST[number & 1]
    cycles = np.frombuffer(read(board, run + 1, 0, 4, ReadTarget.CYCLES), "<u4").tolist()
    assert sum(cycles) == state(board, "cycles")["cycles"]
    assert len(set(cycles[1:])) == 1, "layers alike take as long"


def test_bytes_that_the_transport_dropped_are_counted(board):
    before = state(board, "errors")
    board.transport.bad_bytes = 5
    assert state(board, "errors") == before | {"bytes": before["bytes"] + 5}
