# SPDX-License-Identifier: Apache-2.0
"""Finds results in the store, has the others computed, and stores them as they come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from .requests import Log
from .store import Store
from .work import Task, Workers

CHUNK = 512
"""Configurations of one piece of work: some tenths of a second."""


@dataclass
class Gatherer:
    """Gathers the results of one exploration, and counts which were there."""

    store: Store
    workers: Workers
    log: Log
    computed: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)

    def gather(
        self,
        kind: str,
        subjects: Sequence[tuple[str, str]],
        task: Callable[[list[int]], Task],
        order: Sequence[int],
        each: int = CHUNK,
    ) -> list[Any]:
        """The result of every subject.

        Parameters
        ----------
        kind : str
        subjects : sequence of (key, what the result is of)
        task : function of numbers of subjects
            The piece of work that gives their results: a list, or one result where `each` is 1.
        order : sequence of int
            In which subjects are computed.
        each : int
            Subjects of a piece of work.
        """
        keys = [key for key, _ in subjects]
        known = self.store.known(kind, list(dict.fromkeys(keys)))
        missing = list({keys[i]: i for i in reversed(order) if keys[i] not in known}.values())[::-1]
        parts = [missing[first : first + each] for first in range(0, len(missing), each)]
        self.found[kind] = self.found.get(kind, 0) + len(subjects) - len(missing)
        self.computed[kind] = self.computed.get(kind, 0) + len(missing)
        told = 0
        for done, (number, results) in enumerate(self.workers.results([task(part) for part in parts]), 1):
            part, values = parts[number], [results] if each == 1 else results
            self.store.add(kind, [(*subjects[i], value) for i, value in zip(part, values, strict=True)])
            known |= {keys[i]: value for i, value in zip(part, values, strict=True)}
            if ceil(10 * done / len(parts)) > told:
                told = ceil(10 * done / len(parts))
                self.log(f"{kind}: {done} of {len(parts)} pieces of work")
        return [known[key] for key in keys]
