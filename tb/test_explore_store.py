# SPDX-License-Identifier: Apache-2.0
"""The store of `sysmt explore`: nothing is computed twice, and a killed exploration goes on where it was."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from sysmt.base.errors import UserError
from sysmt.cli.main import main
from sysmt.sim.explore.store import Store

from .explorations import SMALL, run


def test_nothing_is_computed_twice(tmp_path):
    path = tmp_path / "r.sqlite"
    few = run(path, "mobilenet_v1", settings=SMALL, points=50)
    assert (few.computed, few.found) == ({"cycles": 50, "silicon": 50}, {"cycles": 0, "silicon": 0})
    more = run(path, "mobilenet_v1", settings=SMALL, points=80)
    assert (more.computed, more.found) == ({"cycles": 30, "silicon": 30}, {"cycles": 50, "silicon": 50})
    assert {point.config for point in few.points} < {point.config for point in more.points}
    again = run(path, "mobilenet_v1", settings=SMALL, points=80)
    assert again.computed == {"cycles": 0, "silicon": 0}
    assert again.points == more.points
    other = run(path, "digits", settings=SMALL, points=80)
    assert (other.computed, other.found["silicon"]) == ({"cycles": 80, "silicon": 0}, 80)


def rows_in(path):
    """Results in a store; 0 as long as there is none."""
    try:
        with sqlite3.connect(path, timeout=30) as connection:
            return connection.execute("SELECT count(*) FROM results").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


def test_a_killed_exploration_goes_on_where_it_was(tmp_path, capsys):
    path = tmp_path / "r.sqlite"
    words = ["explore", "mobilenet_v1", "--points", "2000", "--store", str(path), "--json"]
    command = [sys.executable, "-m", "sysmt", *words, "--processes", "2"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        end = time.monotonic() + 120
        while not rows_in(path):
            assert time.monotonic() < end
            assert running.poll() is None
            time.sleep(0.01)
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    # Its processes end with it: none of the group is left.
    end = time.monotonic() + 30
    while group_lives(running.pid):
        assert time.monotonic() < end
        time.sleep(0.05)
    before = rows_in(path)
    assert 0 < before < 4000
    assert main(words) == 0
    resumed = json.loads(capsys.readouterr().out)
    assert sum(resumed["found"].values()) == before
    assert sum(resumed["computed"].values()) == 4000 - before
    assert rows_in(path) == 4000
    # What several processes found is what one finds.
    fresh = run(tmp_path / "fresh.sqlite", "mobilenet_v1", points=2000).as_dict()
    assert fresh["front"] == resumed["front"]


def group_lives(group):
    """Whether any process of a group runs; those that ended and wait for nobody do not."""
    found = subprocess.run(["ps", "-o", "stat=", "-g", str(group)], capture_output=True, text=True)
    return any(not line.strip().startswith("Z") for line in found.stdout.splitlines())


def test_a_file_that_is_no_store_is_refused(tmp_path):
    path = tmp_path / "text.sqlite"
    path.write_text("nothing of this kind, but long enough to be looked at" * 100)
    with pytest.raises(UserError, match=r"^store '.*' must be a file of results that can be written, not one with: "):
        Store(path)
