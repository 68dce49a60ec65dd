# SPDX-License-Identifier: Apache-2.0
"""Pieces of work, each of which a process anywhere can do, and those who do them: here, other processes, a cluster."""

import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from typing import Any, Protocol

from sysmt.base.errors import UserError
from sysmt.base.extras import require

CLUSTER = "cluster"
"""The extra that brings Dask."""
ANSWERS_S = 10
"""Seconds that a scheduler has to answer in."""

MOST = 1024
"""Processes on one machine."""


class Task(Protocol):
    """A piece of work: called, it returns its results. It can be sent to another process."""

    def __call__(self) -> Any:
        """Do it."""


class Workers(Protocol):
    """Those who do tasks."""

    def results(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        """Number and result of every task, in the order in which they are done."""


class Here:
    """This process, one task after the other."""

    def results(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        """As `Workers.results`."""
        for number, task in enumerate(tasks):
            yield number, task()


class Processes:
    """So many processes of this machine. They end with this one, however it ends."""

    def __init__(self, count: int) -> None:
        self.count = count

    def results(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        """As `Workers.results`."""
        with ProcessPoolExecutor(self.count, get_context("spawn"), initializer=_end_with_parent) as pool:
            waiting = {pool.submit(task): number for number, task in enumerate(tasks)}
            try:
                for done in as_completed(waiting):
                    yield waiting[done], done.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when its parent is gone: a killed one cannot tell it."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Cluster:
    """The workers of a Dask cluster; what a lost worker had at hand is done by another one."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def results(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        """As `Workers.results`."""
        distributed = require("distributed", CLUSTER)
        futures = [self._client.submit(_do, task, pure=False, retries=2) for task in tasks]
        numbers = {future.key: number for number, future in enumerate(futures)}
        try:
            for future in distributed.as_completed(futures, loop=self._client.loop):
                yield numbers[future.key], future.result()
        except (distributed.KilledWorker, CancelledError, OSError) as error:
            raise UserError(
                f"scheduler lost the work ({type(error).__name__}): see its log, and run this again, which goes on"
            ) from error


def _do(task: Task) -> Any:
    return task()


@contextmanager
def workers(processes: int = 1, scheduler: str | None = None) -> Iterator[Workers]:
    """Who does the work.

    Parameters
    ----------
    processes : int
        Of this machine; with 1 it is this one.
    scheduler : str, optional
        Address of the scheduler of a Dask cluster, whose workers do the work instead.

    Raises
    ------
    UserError
        There is no such scheduler, or it has other versions; the package `distributed` is missing.
    """
    if processes < 1:
        raise UserError(f"processes must be at least 1, not {processes}")
    if processes > MOST:
        raise UserError(f"processes must be at most {MOST}, not {processes}")
    if scheduler is None:
        yield Here() if processes == 1 else Processes(processes)
        return
    distributed = require("distributed", CLUSTER)
    try:
        # A client of what is no address at all fails once more when it is collected, in a traceback of its own.
        distributed.comm.get_address_host_port(distributed.core.coerce_to_address(scheduler))
        client = distributed.Client(scheduler, timeout=ANSWERS_S, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise UserError(
            f"scheduler must be the address of a Dask scheduler that runs, such as tcp://host:8786, not {scheduler!r}: "
            f"{reason}"
        ) from error
    with client:
        yield Cluster(client)
