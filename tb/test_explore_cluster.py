# SPDX-License-Identifier: Apache-2.0
"""`sysmt explore --scheduler`: the workers of a Dask cluster compute, and one that is killed loses nothing."""

import gc
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from importlib.util import find_spec

import pytest

from sysmt.cli.main import main

WORDS = ("explore", "mobilenet_v1", "--points", "3000", "--json")

CLUSTER = """
import json, sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        pids = [worker.process.pid for worker in cluster.workers.values()]
        print(json.dumps([cluster.scheduler_address, pids]), flush=True)
        sys.stdin.read()
"""
"""Starts a cluster, prints its address and its workers' processes, and ends with its input."""


@pytest.fixture
def cluster(tmp_path):
    if find_spec("distributed") is None:
        pytest.skip("distributed is not installed: pip install 'sysmt[cluster]'")
    (tmp_path / "cluster.py").write_text(CLUSTER)
    running = subprocess.Popen(
        [sys.executable, "cluster.py"],
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield json.loads(running.stdout.readline())
    finally:
        running.stdin.close()
        try:
            running.wait(60)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
        running.stdout.close()


def rows_in(path):
    try:
        with sqlite3.connect(path, timeout=30) as connection:
            return connection.execute("SELECT count(*) FROM results").fetchone()[0]
    except sqlite3.OperationalError:
        return 0


@pytest.mark.regress
def test_a_killed_worker_loses_nothing(cluster, tmp_path):
    address, pids = cluster
    path = tmp_path / "cluster.sqlite"
    command = [sys.executable, "-m", "sysmt", *WORDS, "--store", str(path), "--scheduler", address]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 200
    while not rows_in(path):
        assert time.monotonic() < end
        assert running.poll() is None, running.stderr.read()
        time.sleep(0.01)
    os.kill(pids[0], signal.SIGKILL)
    assert rows_in(path) < 6000  # amid the work
    text, complaints = running.communicate(timeout=300)
    assert running.returncode == 0, complaints
    found = json.loads(text)
    assert found["computed"] == {"cycles": 3000, "silicon": 3000}
    assert rows_in(path) == 6000
    done = subprocess.run(
        [sys.executable, "-m", "sysmt", *WORDS, "--store", str(tmp_path / "here.sqlite")],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert json.loads(done.stdout)["front"] == found["front"]


def test_a_scheduler_that_is_not_there_is_one_line(capsys, tmp_path, monkeypatch):
    if find_spec("distributed") is None:
        pytest.skip("distributed is not installed: pip install 'sysmt[cluster]'")
    monkeypatch.setattr("sysmt.sim.explore.work.ANSWERS_S", 1)
    for address in ("tcp://127.0.0.1:1", "nonsense://x", "nonsense", "host:port", "tcp://::"):
        words = ["explore", "digits", "--set", "rows=4", "--scheduler", address, "--store", str(tmp_path / "r.sqlite")]
        assert main(words) == 2
        gc.collect()  # What was made on the way to the refusal must go without a word.
        written = capsys.readouterr().err
        assert "Traceback" not in written
        (line,) = [text for text in written.splitlines() if text.startswith("sysmt explore")]
        said = "scheduler must be the address of a Dask scheduler that runs, such as tcp://host:8786, not "
        assert re.fullmatch(rf"sysmt explore: error: {re.escape(said + repr(address))}: .+", line)
