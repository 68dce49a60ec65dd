# SPDX-License-Identifier: Apache-2.0
"""Bands on threads: every band once, the matrix library left as it was, failures not swallowed."""

from threading import get_ident

import numpy as np
import pytest

from sysmt.sim.golden import parallel
from sysmt.sim.golden.parallel import for_each, workers

np.ones((2, 2)) @ np.ones((2, 2))  # the matrix library is loaded from here on


def library_threads():
    # Numpy's own: other packages may bring, and load later, a library that has nothing to do with our products.
    return [library["num_threads"] for library in parallel._library()[0].info()]


BANDS = [slice(place, place + 3) for place in range(0, 30, 3)]


def test_every_band_runs_once_and_the_library_is_limited_meanwhile():
    before, done, meanwhile = library_threads(), [], []

    def task(band):
        done.append(band.start)
        meanwhile.extend(library_threads())

    for_each(task, BANDS)
    assert sorted(done) == [band.start for band in BANDS]
    assert set(meanwhile) == {1}
    assert library_threads() == before
    assert workers() == max(before)


def test_a_failure_is_raised_and_the_library_restored():
    before = library_threads()

    def task(band):
        if band.start == 6:
            raise ArithmeticError("band 6")

    with pytest.raises(ArithmeticError, match=r"^band 6$"):
        for_each(task, BANDS)
    assert library_threads() == before


def test_bands_within_a_band_run_in_it_one_after_the_other():
    order = []

    def inner(band):
        order.append((get_ident(), band.start))

    def outer(band):
        assert workers() == 1
        for_each(inner, [slice(band.start, 0), slice(band.start + 1, 0)])

    for_each(outer, BANDS)
    assert sorted(start for _, start in order) == [b.start + i for b in BANDS for i in (0, 1)]
    for band in BANDS:
        assert len({thread for thread, start in order if start in (band.start, band.start + 1)}) == 1
