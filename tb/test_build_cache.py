# SPDX-License-Identifier: Apache-2.0
"""The cache of builds: made once per content, by one process at a time, and never found half-made."""

import subprocess
import sys

import pytest

from sysmt.base.cache import cached, cached_json
from sysmt.base.errors import UserError
from sysmt.base.extras import require
from sysmt.base.files import build_root


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """A build root of its own."""
    monkeypatch.setenv("SYSMT_BUILD", str(tmp_path))
    return tmp_path


def test_equal_contents_are_made_once_and_others_apart(root):
    made = []

    def make(directory):
        made.append(directory)
        (directory / "result").write_text("done")

    first = cached("kind", "name", ["text", {"a": 1}], make)
    assert cached("kind", "name", ["text", {"a": 1}], make) == first
    assert cached("kind", "name", ["text", {"a": 2}], make) != first
    assert cached("kind", "other", ["text", {"a": 1}], make) != first
    assert len(made) == 3
    assert first.parent == root / "kind"
    assert (first / "result").read_text() == "done"


def test_a_failed_build_is_made_again_in_an_empty_directory():
    def fail(directory):
        (directory / "log").write_text("why")
        (directory / "part").mkdir()
        raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="^failed$"):
        cached("kind", "name", [], fail)

    def succeed(directory):
        assert list(directory.iterdir()) == []
        assert {path.name for path in directory.parent.iterdir()} == {"lock", directory.name}
        (directory / "result").write_text("done")

    directory = cached("kind", "name", [], succeed)
    assert {path.name for path in directory.iterdir()} == {"lock", "ready", "result"}
    assert cached("kind", "name", [], fail) == directory


def test_results_come_back_as_json_holds_them():
    assert cached_json("kind", "name", 1, lambda: {"a": [1, 2.5, None]}) == {"a": [1, 2.5, None]}
    assert cached_json("kind", "name", 1, lambda: pytest.fail("made again")) == {"a": [1, 2.5, None]}


BUILD = """
from sysmt.hdl.emit import Design
from sysmt.sim.cosim import simulator
simulator.verilator.require = lambda name: None
simulator.build(Design("top", "", {}))
"""

CHILD = """
import time
from sysmt.base.cache import cached
def make(directory):
    time.sleep(0.5)
    print("made", flush=True)
cached("kind", "name", "same", make)
"""


def test_processes_that_ask_for_the_same_build_make_it_once():
    running = [subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0]
    assert sorted(outputs) == ["", "", "made\n"]


def test_without_a_checkout_the_cache_is_the_users(monkeypatch, tmp_path):
    monkeypatch.delenv("SYSMT_BUILD")
    assert build_root().name == "build"
    monkeypatch.setattr("sysmt.base.files.__file__", str(tmp_path / "site" / "sysmt" / "base" / "files.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert "sysmt" in build_root().parts
    assert build_root() != tmp_path / "site" / "build"


def test_an_absent_package_is_named_with_its_extra():
    with pytest.raises(UserError, match=r"^no_such_package is missing: pip install 'sysmt\[silicon\]'$"):
        require("no_such_package", "silicon")
    assert require("json", "silicon").loads("1") == 1


@pytest.mark.parametrize(
    ("package", "extra", "work"),
    [
        ("numba", "silicon", "import sysmt.sim.flow.kernels"),
        ("numba", "silicon", "import sysmt.sim.nullcache.model"),
        ("amaranth_boards", "boards", "import sysmt.boards.definitions"),
        ("pyosys", "silicon", "from sysmt.sim.flow.yosys import _child; _child([])"),
        ("cocotb_tools", "cosim", BUILD),
    ],
)
def test_work_that_needs_an_absent_package_names_its_extra(package, extra, work):
    program = f"import sys; sys.modules[{package!r}] = None\n{work}"
    done = subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    said = f"sysmt.base.errors.UserError: {package} is missing: pip install 'sysmt[{extra}]'"
    assert done.stderr.splitlines()[-1] == said
