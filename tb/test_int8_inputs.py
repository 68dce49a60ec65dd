# SPDX-License-Identifier: Apache-2.0
"""Input files and models that are damaged or hostile: one line each, within a limit of memory and time."""

import io
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from sysmt.base.errors import UserError
from sysmt.sim.nn.inputs import load
from sysmt.sim.nn.network import build
from sysmt.sim.nn.readers.tflite import parse

from .int8_networks import small_content, small_images, small_network

MEMORY, SECONDS = 2**30, 60
"""Beyond what an interpreter with its libraries takes; of processor time."""
MUTANTS = 1500
EXTREMES = (0, 1, 2**16, 2**28, 2**31 - 1, 2**32 - 1)


def archive(**members: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, raw in members.items():
            file.writestr(f"{name}.npy", raw)
    return content.getvalue()


def stored(values: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def mutants(content: bytes, count: int, seed: int):
    """Changed bytes, changed words, cuts, repeated and exchanged parts."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        raw = bytearray(content)
        if i % 5 == 0:
            for place in rng.integers(0, len(raw), rng.integers(1, 6)):
                raw[place] = rng.integers(256)
        elif i % 5 == 1:
            place = 4 * int(rng.integers(0, len(raw) // 4))
            raw[place : place + 4] = int(rng.choice(EXTREMES)).to_bytes(4, "little")
        elif i % 5 == 2:
            del raw[int(rng.integers(0, len(raw))) :]
        else:
            a, b, size = (int(v) for v in (*rng.integers(0, len(raw), 2), rng.integers(1, 64)))
            raw[a : a + size] = raw[b : b + size]
            if i % 5 == 4:
                del raw[b : b + size]
        yield bytes(raw)


def within_limits(task: str) -> None:
    """Run one of this module's tasks in a process of its own that cannot take more than the limits."""
    code = (
        "import resource, numpy, sysmt.sim.nn.network, sysmt.sim.nn.readers.tflite, tb.test_int8_inputs as tasks\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (used + {MEMORY},) * 2)\n"
        f"resource.setrlimit(resource.RLIMIT_CPU, ({SECONDS},) * 2)\n"
        f"print(tasks.{task}())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    refused, taken = map(int, done.stdout.split())
    assert refused > 0
    assert refused + taken == MUTANTS


def verdicts(task, raws) -> str:
    """How many are refused, in one line each, and how many are taken."""
    said = []
    for raw in raws:
        try:
            task(raw)
        except UserError as error:
            said.append(str(error))
    assert not any("\n" in line for line in said)
    return f"{len(said)} {MUTANTS - len(said)}"


def try_models() -> str:
    return verdicts(lambda raw: build(parse(raw)), mutants(small_content(), MUTANTS, 1))


def try_inputs() -> str:
    network, plain = small_network(), io.BytesIO()
    np.savez(plain, images=small_images(4), labels=np.arange(4))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "in.npz"

        def task(raw):
            path.write_bytes(raw)
            load(path, network)

        return verdicts(task, mutants(plain.getvalue(), MUTANTS, 2))


@pytest.mark.parametrize("task", ["try_models", "try_inputs"])
def test_damaged_files_are_refused_within_limits(task):
    within_limits(task)


def test_the_limit_is_one():
    # The limits of the test above stop what they should.
    code = f"import resource; resource.setrlimit(resource.RLIMIT_AS, ({MEMORY},) * 2); bytearray({2 * MEMORY})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize(
    ("images", "message"),
    [
        # Headers that claim 10 TB and a little too much, cut data, a cut header, an array of Python objects.
        (stored(np.zeros(3, np.uint8)).replace(b"(3,)", b"(9999999999999,)"), "inputs must hold all of images.npy"),
        (stored(np.zeros((3, 6, 6, 3), np.uint8)).replace(b"(3, 6", b"(9, 6"), "inputs must hold all of images.npy"),
        (stored(np.zeros((3, 6, 6, 3), np.uint8))[:-1], "inputs must hold all of images.npy"),
        (stored(np.zeros((3, 6, 6, 3), np.uint8))[:20], "inputs must be a readable .npz file"),
        (stored(np.array([{}], object)), "inputs must be a readable .npz file"),
    ],
)
def test_hostile_inputs_are_one_line(tmp_path, images, message):
    (tmp_path / "bad.npz").write_bytes(archive(images=images))
    with pytest.raises(UserError) as found:
        load(tmp_path / "bad.npz", small_network())
    assert str(found.value).startswith(message)
    assert "\n" not in str(found.value)


def test_images_with_channels_behind_are_shown_the_way(tmp_path):
    network = small_network()
    channels_first = replace(network, input=replace(network.input, shape=(1, 3, 6, 6)))
    images = np.zeros((2, 6, 6, 3), np.uint8)
    np.savez(tmp_path / "behind.npz", images=images)
    np.savez(tmp_path / "first.npz", images=images.transpose(0, 3, 1, 2))
    with pytest.raises(
        UserError, match=r"not \(2, 6, 6, 3\); its channels come first: .* images.transpose\(0, 3, 1, 2\)$"
    ):
        load(tmp_path / "behind.npz", channels_first)
    assert load(tmp_path / "first.npz", channels_first).values.shape == (2, 3, 6, 6)
