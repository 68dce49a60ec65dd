# SPDX-License-Identifier: Apache-2.0
"""Bands of a large product on threads of our own, the matrix library on one thread inside each.

The library's own threads only share the products, not the preparation of the operands between them, and wait for each
other in a loop: with another program on the machine that costs several times the product.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from threading import Lock, local

from threadpoolctl import ThreadpoolController

_LIMIT = Lock()
"""The library's thread count belongs to the whole process: one at a time may change it and change it back."""

_HERE = local()
"""Whether this thread is one of ours already: a band does not split its work once more."""


@lru_cache(maxsize=1)
def _library() -> tuple[ThreadpoolController, int]:
    """The matrix library that numpy loaded, and its number of threads (1 when there is none that we know)."""
    found = ThreadpoolController().select(user_api="blas")
    return found, max((library["num_threads"] for library in found.info()), default=1)


def workers() -> int:
    """Number of threads: what the matrix library would take (so OPENBLAS_NUM_THREADS and the like hold here too).

    Within a band of `for_each` it is 1.
    """
    return 1 if getattr(_HERE, "inside", False) else _library()[1]


def for_each(task: Callable[[slice], None], bands: list[slice]) -> None:
    """Run the task on every band, at most `workers()` at a time; an exception of a task is raised here.

    The tasks must write to separate places.
    """
    if len(bands) == 1 or getattr(_HERE, "inside", False):
        for band in bands:
            task(band)
        return
    controller, count = _library()
    with _LIMIT, controller.limit(limits=1), ThreadPoolExecutor(count, initializer=_enter) as pool:
        list(pool.map(task, bands))


def _enter() -> None:
    _HERE.inside = True
