# SPDX-License-Identifier: Apache-2.0
"""The driver and the command line on the virtual board, through a pseudo-terminal, pins included."""

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import serial

from bench import link
from sysmt.base.errors import UserError
from sysmt.boards.definitions import BOARDS
from sysmt.boards.driver import Board
from sysmt.boards.faults import trial
from sysmt.boards.flow import estimate
from sysmt.boards.link import Link, LinkError
from sysmt.boards.transport import SerialTransport, TransportError
from sysmt.boards.virtual.board import DIVISOR, VirtualBoard
from sysmt.cli.main import main
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.protocol import VERSION
from sysmt.sim.golden.matmul import matmul
from sysmt.sim.golden.requantize import Requantize

from .test_api_arguments import WRONG, said

PRESET = "sysmt2_4"


def operands(m: int, k: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(m)
    return random.integers(0, 256, (m, k), dtype=np.uint8), random.integers(-128, 128, (k, n), dtype=np.int8)


@pytest.fixture(scope="module")
def virtual():
    with VirtualBoard(preset(f"accel_{PRESET}", AccelConfig, divisor=DIVISOR)) as board:
        yield board
    assert board.figures["cycles"] > 0
    assert board.figures["bytes_in"] > 0


@pytest.fixture
def port(virtual):
    return virtual.port


@pytest.mark.parametrize("argument", ["transport", "expect", "timeout", "reconnect_timeout", "progress"])
def test_what_a_board_does_not_take_is_one_line(port, argument):
    """Before the port is opened, so that none stays open."""
    taken = {"transport": port, "expect": None, "timeout": 0.5, "reconnect_timeout": 0.0, "progress": None}
    for wrong in [*WRONG.values(), -1, float("inf")]:
        if wrong is not None and not (argument == "transport" and isinstance(wrong, str)):
            assert argument in said(Board, taken | {argument: wrong}), wrong


def test_what_a_product_does_not_take_is_one_line(port):
    x, w = operands(2, 4, 2)
    taken = {"x": x, "w": w, "threads": None, "requantize": None, "zero": 0}
    with Board(port) as board:
        for argument, wrong in itertools.product(taken, WRONG.values()):
            if wrong is not None or argument in ("x", "w", "zero"):
                line = said(board.matmul, taken | {argument: wrong})
                assert line, (argument, wrong)
                assert "\n" not in line


def test_64x256x64_equals_golden_in_values_and_counters(port):
    x, w = operands(64, 256, 64)
    with Board(SerialTransport(port)) as board:
        product = board.matmul(x, w)
        golden = matmul(x, w, board.config.array.pe)
    assert np.array_equal(product.values, golden.sums)
    names = ("active", "busy", "collisions", "reduced")
    assert [product.figures[f"array_{n}"] for n in names] == [getattr(golden.counters, n) for n in names]
    # The array takes a step in every cycle between the first and the last one of a run.
    assert product.figures["steps"] == product.figures["span"]


def test_what_is_compared_with_golden_is_every_board():
    for fitting in (False, True):
        places = sum(link.configurations(fitting).values(), [])
        wanted = [f"{b.name}/{p}" for b in BOARDS.values() for p in (estimate.fitting(b) if fitting else [b.preset])]
        assert sorted(places) == sorted(wanted)


@pytest.mark.regress
def test_64x256x64_equals_golden_on_every_board():
    assert link.main(["--boards"]) == 0


def test_requantisation_on_the_board_equals_golden(port):
    x, w = operands(9, 100, 10)
    unit = Requantize(
        bias=np.arange(10) * 100,
        multiplier=np.full(10, 1_500_000_000),
        shift=np.arange(10) - 14,
        zero_point=7,
        variant="single",
    )
    with Board(SerialTransport(port)) as board:
        assert np.array_equal(
            board.matmul(x, w, requantize=unit).values, unit(matmul(x, w, board.config.array.pe).sums)
        )


def test_no_damage_goes_unnoticed(port):
    found = trial(SerialTransport(port), frames=150, rate=2e-3)
    assert found.wrong == 0
    assert found.right + found.reported > 0
    assert found.right > 0
    assert found.faults > 0
    assert found.repeated > 0


def test_the_board_finds_its_place_after_garbage(port):
    transport = SerialTransport(port)
    with Board(transport) as board:
        dropped = board.registers()["errors"]
        transport.write(np.random.default_rng(0).integers(0, 256, 3000, dtype=np.uint8).tobytes())
        x, w = operands(3, 20, 3)
        assert np.array_equal(board.matmul(x, w).values, matmul(x, w, board.config.array.pe).sums)
        assert board.registers()["errors"] != dropped


def test_a_pulled_cable_is_an_error_or_waited_for(tmp_path):
    """The board dies in the middle of a product, and another one is plugged in at the same place."""
    config, plug = preset(f"accel_{PRESET}", AccelConfig, divisor=DIVISOR), tmp_path / "tty"
    x, w = operands(24, 100, 24)

    def plug_in() -> VirtualBoard:
        board = VirtualBoard(config)
        plug.unlink(missing_ok=True)
        plug.symlink_to(board.port)
        return board

    boards, told = [plug_in()], []

    def pull(text: str) -> None:
        told.append(text)
        if text.startswith("3 of"):
            boards[0].close()
            threading.Timer(0.5, lambda: boards.append(plug_in())).start()

    try:
        with Board(SerialTransport(str(plug)), reconnect_timeout=60, progress=pull) as board:
            product = board.matmul(x, w)
        assert np.array_equal(product.values, matmul(x, w, config.array.pe).sums)
        assert product.reconnections == 1
        assert product.figures == {}
        counts = [int(text.split()[0]) for text in told if text[0].isdigit()]
        assert counts == sorted(counts), "work that was done was done again"
        assert any("runs are kept" in text for text in told)
        with Board(SerialTransport(str(plug))) as board:
            boards[-1].close()
            with pytest.raises(TransportError, match="is the cable unplugged"):
                board.matmul(x, w)
    finally:
        for board in boards:
            board.close()


def test_matmul_on_a_port_prints_what_golden_prints(port, tmp_path, capsys):
    x, w = operands(10, 30, 9)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "w.npy", w)
    files = [str(tmp_path / "x.npy"), str(tmp_path / "w.npy")]
    assert main(["matmul", *files, "--on", port, "--json", "-o", str(tmp_path / "o.npy")]) == 0
    board = json.loads(capsys.readouterr().out)
    assert main(["matmul", *files, "--preset", PRESET, "--json", "-o", str(tmp_path / "g.npy")]) == 0
    golden = json.loads(capsys.readouterr().out)
    assert (tmp_path / "o.npy").read_bytes() == (tmp_path / "g.npy").read_bytes()
    assert {n: board[n] for n in golden if n not in ("cycles", "mac_per_cycle")} == {
        n: v for n, v in golden.items() if n not in ("cycles", "mac_per_cycle")
    }
    assert golden.keys() <= board.keys()
    assert main(["matmul", *files, "--on", port, "--preset", "os8"]) == 2
    assert "has rows = 4 instead of 8, cols = 4 instead of 8, threads = 2 instead of 1" in capsys.readouterr().err


def test_board_info(port, capsys):
    assert main(["board", "info", "--port", port, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    config = preset(f"accel_{PRESET}", AccelConfig, divisor=DIVISOR)
    assert facts["fingerprint"] == f"{config.fingerprint:016x}"
    assert (facts["rows"], facts["threads"], facts["depth"]) == (4, 2, 256)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["board"], "action must be info"),
        (["board", "info"], "--port must be given"),
        (["board", "info", "--virtual", "os4"], "leave out info and --port"),
        (["board", "--virtual", "os5"], "preset must be one of"),
        (["board", "--virtual", "os4", "--set", "rows=x"], "rows must be an integer"),
        (["board", "info", "--set", "rows=2"], "--set rows=2 needs --virtual"),
        (["board", "info", "--port", "/dev/nothing_here"], "does not exist"),
        (["board", "info", "--port", "pyproject.toml"], "is not a serial device"),
        (["board", "info", "--port", "/"], "is not a serial device"),
    ],
)
def test_refusals_are_one_line(argv, message, capsys, monkeypatch):
    monkeypatch.chdir(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    assert main(argv) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("babble", [b"", b"hello, I am a modem\r\n" * 20])
def test_a_port_with_something_else_behind_it(babble):
    master, slave = os.openpty()
    try:
        timer = threading.Timer(0.3, lambda: os.write(master, babble))
        timer.start()
        begun = time.monotonic()
        with pytest.raises(LinkError, match="has no sysmt board behind it"):
            Board(SerialTransport(os.ttyname(slave)))
        assert time.monotonic() - begun < 30
        timer.join()
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"version": 1}, "is older than this driver"),
        ({"version": 255 << 16}, "is newer than this driver"),
        ({"protocol": VERSION + 1}, "than this driver"),
        ({"magic": 7}, "is not sysmt's"),
        ({"geometry": 3 | 4 << 16}, "contradicts its fingerprint"),
        ({"element": 0}, "cannot be understood"),
    ],
)
def test_an_identity_that_does_not_fit_is_refused(port, monkeypatch, words, message):
    read = Board._read
    monkeypatch.setattr(Board, "_read", lambda self, names, per_frame: read(self, names, per_frame) | words)
    with pytest.raises(UserError, match=message):
        Board(SerialTransport(port))


def test_another_board_after_a_reconnection_is_refused(monkeypatch):
    name = f"accel_{PRESET}"
    configs = iter((preset(name, AccelConfig), preset(name, AccelConfig, depth=16)))
    monkeypatch.setattr(Board, "_connect", lambda self: next(configs))
    board = Board(SerialTransport("/dev/null"), reconnect_timeout=1)
    board.link = Link(board.transport)
    with pytest.raises(LinkError, match="is another one than before the reconnection"):
        board._reconnect(TransportError("gone"), "nothing")


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.EACCES, "permission denied; join its group"), (errno.EBUSY, "in use by another program")],
)
def test_a_port_that_cannot_be_opened(number, message, monkeypatch, port, capsys):
    def refuse(*_, **__):
        raise serial.SerialException(number, os.strerror(number))

    monkeypatch.setattr("serial.Serial", refuse)
    assert main(["board", "info", "--port", port]) == 2
    assert message in capsys.readouterr().err


def test_the_board_command_serves_until_interrupted():
    command = [sys.executable, "-m", "sysmt.cli.main", "board", "--virtual", PRESET, "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        port = process.stdout.readline().strip()
        with Board(SerialTransport(port)) as board:
            assert board.config.array == preset(f"accel_{PRESET}", AccelConfig).array
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert json.loads(out)["cycles"] > 0
    assert process.returncode == 0
