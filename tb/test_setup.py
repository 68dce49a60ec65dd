# SPDX-License-Identifier: Apache-2.0
"""Setting up on a bare machine: what is missing is named, in one line, with the package that brings it."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = {"python3": "python3", "g++": "g++", "make": "make", "perl": "perl"}


@pytest.fixture
def checkout(tmp_path):
    """A copy of the setup script, beside a PATH that holds nothing but links to the tools."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup.sh", tmp_path / "tools")
    (tmp_path / "bin").mkdir()
    for tool in ("dirname", *TOOLS):
        (tmp_path / "bin" / tool).symlink_to(shutil.which(tool))
    return tmp_path


def setup(checkout):
    return subprocess.run(
        ["/bin/sh", checkout / "tools" / "setup.sh"],
        env={"PATH": str(checkout / "bin")},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(("tool", "package"), TOOLS.items())
def test_a_missing_tool_is_named_with_its_package(checkout, tool, package):
    (checkout / "bin" / tool).unlink()
    done = setup(checkout)
    assert (done.returncode, done.stderr) == (2, f"setup: {tool} is missing: sudo apt-get install {package}\n")
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv_is_named(checkout):
    (checkout / "bin" / "python3").unlink()
    fake = checkout / "bin" / "python3"
    fake.write_text('#!/bin/sh\ncase "$2" in *ensurepip*) exit 1;; esac\nexit 0\n')
    fake.chmod(0o755)
    done = setup(checkout)
    assert (done.returncode, done.stderr) == (2, "setup: python3-venv is missing: sudo apt-get install python3-venv\n")
