# SPDX-License-Identifier: Apache-2.0
"""`conftest.py` of a copied checkout: tests that found mutants before come first, and none may take for ever.

The first that fails, or does not end, is written down; and in the end what all took of the processor.
"""

import json
import os
import resource
import signal
from pathlib import Path

import pytest

FIRST = json.loads(os.environ["MUTATION_FIRST"])
FAILED = Path(os.environ["MUTATION_FAILED"])
TAKEN = Path(os.environ["MUTATION_TAKEN"])
SECONDS = float(os.environ["MUTATION_SECONDS"])


def _hangs(*_):
    pytest.fail(f"not ended after {SECONDS} s of the processor")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    signal.signal(signal.SIGPROF, _hangs)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: FIRST.index(item.nodeid) if item.nodeid in FIRST else len(FIRST))


def pytest_runtest_logreport(report):
    if report.failed and not FAILED.exists():
        FAILED.write_text(report.nodeid)


def pytest_unconfigure():
    used = [resource.getrusage(of) for of in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    TAKEN.write_text(str(sum(one.ru_utime + one.ru_stime for one in used)))
