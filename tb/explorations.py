# SPDX-License-Identifier: Apache-2.0
"""Explorations that several tests make."""

from sysmt.sim.explore.explore import explore
from sysmt.sim.explore.requests import request_of
from sysmt.sim.explore.store import Store

SMALL = ("rows=4,8,12", "cols=4,16", "threads=1,2,4")


def run(path, *models, doing=None, **options):
    with Store(path) as store:
        return explore(request_of(models, **options), store, doing)
