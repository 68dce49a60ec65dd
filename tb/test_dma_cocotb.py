# SPDX-License-Identifier: Apache-2.0
"""An accelerator on AXI and on Wishbone with hosts and memories that are not ours: of cocotbext-axi and -wishbone."""

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest

import sysmt
from sysmt.boards.lists import ListPlan
from sysmt.boards.plan import Plan
from sysmt.hdl.designs import design_of
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.command_list import COMMAND_BYTES, ListError
from sysmt.sim.cosim.simulator import run

from .test_dma_accel import CONFIG, DATA, GOOD, LIST, REFUSED, operands

SPAN, SIZE = 0x4000, 0x10000
ERRORS = (0x9000, 0x9100)


def work(seed: int) -> Iterator[tuple[list[bytes], np.ndarray, tuple[ListError, int], object]]:
    """For ever: a list, its data, how it must end, and what makes the product of the memory behind it."""
    random = np.random.default_rng(seed)
    while True:
        if random.random() < 0.25:
            wrong, error = REFUSED[random.integers(len(REFUSED))]
            before = int(random.integers(3))
            yield GOOD * before + [wrong] + GOOD, np.zeros(8, np.uint8), (error, before * len(GOOD)), None
            continue
        m, k, n = (int(random.integers(1, most)) for most in (6, 40, 12))
        x, w = operands(m, k, n, int(random.integers(1 << 30)))
        plan = Plan(x, w, CONFIG, 2)
        maker = ListPlan(plan, 2, DATA)
        listed = maker.listed()
        assert listed.end - DATA <= SPAN
        assert len(listed.commands) * COMMAND_BYTES <= DATA - LIST

        def check(memory: np.ndarray, maker=maker, listed=listed, x=x, w=w) -> None:
            whole = np.concatenate([np.zeros(DATA, np.uint8), memory])
            got = maker.outputs(whole, listed.results, w.shape[1])
            np.testing.assert_array_equal(got, sysmt.matmul(x, w, config=CONFIG.array).sums)

        yield listed.commands, listed.data, (ListError.NONE, len(listed.commands)), check


def played(config: AccelConfig, lists: int, share: float, seed: int) -> int:
    """Play so many lists, all of which must end as they should. Returns the transactions on both buses."""
    jobs = [job for job, _ in zip(work(seed), range(lists), strict=False)]
    texts = [b"".join(commands) for commands, *_ in jobs]
    vectors = {
        "lists": np.frombuffer(b"".join(texts), np.uint8),
        "list_bytes": np.array([len(text) for text in texts]),
        "data": np.concatenate([data for _, data, *_ in jobs]),
        "data_bytes": np.array([len(data) for _, data, *_ in jobs]),
        "share": np.float64(share),
        "list_address": np.int64(LIST),
        "data_address": np.int64(DATA),
        "span": np.int64(SPAN),
        "size": np.int64(SIZE),
        "errors": np.array(ERRORS),
    }
    got = run(design_of(config, "device"), f"tb.tb_dma_{config.link}", vectors, testcase="lists")
    for (_, _, (error, number), check), ended, memory in zip(jobs, got["ends"], got["memory"], strict=True):
        assert ended.tolist() == [error, number, 1 if error == ListError.NONE else 2]
        if check is not None:
            check(memory)
    return int(got["transactions"].sum())


@pytest.mark.regress
@pytest.mark.parametrize("link", ["axi", "wishbone"])
@pytest.mark.parametrize(("share", "seed"), [(0.0, 2), (0.4, 3), (0.8, 4)])
def test_ten_thousand_transactions_lose_nothing_and_report_every_error(share, seed, link):
    """Bursts and accesses to registers; the three shares together."""
    if link == "wishbone" and find_spec("cocotbext.wishbone") is None:
        pytest.skip("cocotbext-wishbone is not installed: pip install 'cocotbext-wishbone>=2.0'")
    assert played(CONFIG.with_fields(link=link), 200, share, seed) > 3400
