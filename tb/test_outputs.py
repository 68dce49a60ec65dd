# SPDX-License-Identifier: Apache-2.0
"""Files that commands write: never over what they read, never in place of a device or a link."""

import os
import shutil
import stat

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.main import main

from .int8_networks import small_content, small_images


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.tflite").write_bytes(small_content())
    np.savez("in.npz", images=small_images(2, 1))
    np.save("x.npy", np.ones((2, 3), np.uint8))
    np.save("w.npy", np.ones((3, 2), np.int8))
    return tmp_path


COMPILE = ("compile", "small.tflite", "--preset", "engine_sysmt2_4")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((*COMPILE, "-o", "small.tflite"), "output 'small.tflite' must not be read by the same command"),
        ((*COMPILE, "-o", "link.tflite"), "output 'link.tflite' must not be read by the same command"),
        (
            (*COMPILE, "--calibrate", "in.npz", "-o", "./in.npz"),
            "output 'in.npz' must not be read by the same command",
        ),
        ((*COMPILE, "--set", "link=axi", "-o", "p", "--c", "./p"), "output 'p' must not be two files at once"),
        (("run", "p.sysmt", "in.npz", "-o", "in.npz"), "output 'in.npz' must not be read by the same command"),
        (("run", "p.sysmt", "in.npz", "-o", "p.sysmt"), "output 'p.sysmt' must not be read by the same command"),
        (("infer", "small.tflite", "in.npz", "-o", "in.npz"), "output 'in.npz' must not be read by the same command"),
        (("matmul", "x.npy", "w.npy", "-o", "w.npy"), "output 'w.npy' must not be read by the same command"),
        (("inspect", "small.tflite", "--svg", "a", "--dot", "a"), "svg 'a' must not be two files at once"),
    ],
)
def test_what_is_read_is_not_written_over(folder, capsys, words, message):
    os.symlink("small.tflite", "link.tflite")
    (folder / "p.sysmt").write_bytes(b"a program")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert main(list(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"sysmt {words[0]}: error: {message}: choose another file\n"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_preset_or_a_network_may_be_called_as_a_file(folder, capsys):
    assert main(["compile", "digits", "--preset", "engine_sysmt2_4", "-o", "digits"]) == 0
    assert main(["matmul", "x.npy", "w.npy", "--preset", "os4", "-o", "os4"]) == 0
    assert main(["matmul", "x.npy", "w.npy", "--preset", "os4", "-o", "os4"]) == 0
    assert np.load("os4").tolist() == [[3, 3], [3, 3]]


@pytest.mark.parametrize("option", ["run", "matmul"])
def test_a_file_without_a_name_is_refused(folder, capsys, option):
    assert main([*COMPILE, "-o", "p.sysmt"]) == 0
    capsys.readouterr()
    words = {"run": ["run", "p.sysmt", "in.npz"], "matmul": ["matmul", "x.npy", "w.npy"]}[option]
    assert main([*words, "-o", ""]) == 2
    assert capsys.readouterr().err == f"sysmt {option}: error: output '' must be a file, not a folder\n"


def test_a_device_stays_one(tmp_path):
    """A file that was moved over /dev/null took it from every process of the machine."""
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    write_together(tmp_path, {"pipe": "written"})
    assert os.read(reader, 100) == b"written"
    os.close(reader)
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_full_device_is_one_line(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    os.symlink("/dev/full", tmp_path / "full")
    with pytest.raises(
        UserError, match=r"^output '.*' cannot be written: No space left on device; choose another place$"
    ):
        write_together(tmp_path, {"full": "a"})
    assert (tmp_path / "full").is_symlink()


def test_what_a_link_points_to_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    os.symlink("there/file", tmp_path / "link")
    for content in ("new", "newer"):
        assert write_together(tmp_path, {"link": content}) == [tmp_path / "link"]
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "file").read_text() == content
    shutil.rmtree(tmp_path / "there")
    with pytest.raises(UserError, match="cannot be written: No such file or directory"):
        write_together(tmp_path, {"link": "newest"})
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
