# SPDX-License-Identifier: Apache-2.0
"""Proofs about the engine's addresses, queues and memory; seeded bugs fail them."""

import pytest

from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig

from .formal import check
from .formal_engine import AddressHarness, MemoryHarness, QueueHarness
from .mutants import one_bug_per_component, seeded_bug

CONFIG = EngineConfig(array=ArrayConfig(rows=2, cols=2), fill=1, lanes=1, x_depth=16, activation_words=64)
SIZES = {"fill": 1, "lanes": 1, "x_depth": 4, "activation_words": 4}
STORING = EngineConfig(array=ArrayConfig(rows=1, cols=1), **SIZES)
NARROW = EngineConfig(array=ArrayConfig(rows=1, cols=1).with_fields(target="fpga"), **SIZES)
"""The filler has a store for what it asked for; its words wait in a queue."""
WINDOW = {"in_width": 3, "kernel_h": 2, "kernel_w": 2, "stride_w": 2, "m_tiles": 3, "last_rows": 2}
DEEP = {"in_width": 2, "in_words": 2, "groups": 2, "kernel_h": 2, "dilation_h": 2, "m_tiles": 2}
CYCLES = 14


@pytest.mark.parametrize("layer", [WINDOW, DEEP], ids=["window", "groups"])
def test_addresses_never_leave_their_tensor(layer):
    """Wherever it lies in memory, and whatever its height, its padding and the width of the output."""
    assert check(AddressHarness(CONFIG, **layer), CYCLES) is None


@one_bug_per_component(
    ("right", "wrong"),
    [
        ("(found.y.as_unsigned() >= layer.in_height)", "(found.y > layer.in_height)"),
        ("following.address.eq(below)", "following.address.eq(pixel.address)"),
        ("x.eq(x + layer.dilation_w)", "x.eq(x)"),
        ("queue.i.valid.eq(counted)", "queue.i.valid.eq(running)"),
    ],
)
def test_seeded_bugs_in_addresses_are_found(right, wrong):
    with seeded_bug("sysmt.hdl.engine.addresses", "AddressGenerator", right, wrong):
        assert check(AddressHarness(CONFIG, **WINDOW), CYCLES) is not None


@pytest.mark.parametrize(
    "harness",
    [QueueHarness, lambda: MemoryHarness(NARROW), lambda: MemoryHarness(STORING)],
    ids=["queue", "memory", "memory for a store"],
)
def test_queues_and_memory_keep_their_rules(harness):
    """For as many cycles as the places of a queue take to come round twice."""
    assert check(harness(), 8) is None


@one_bug_per_component(
    ("module", "component", "right", "wrong", "harness"),
    [
        ("common.promised_queue", "PromisedQueue", "promised + self.promise", "promised + self.write", QueueHarness),
        ("common.promised_queue", "PromisedQueue", "read.addr + taken", "read.addr + self.o.ready", QueueHarness),
        ("engine.memory", "ActivationMemory", "queue.promise.eq(wins)", "queue.promise.eq(0)", MemoryHarness),
        ("engine.memory", "ActivationMemory", "queue.room & ~before", "queue.room", MemoryHarness),
        ("engine.memory", "ActivationMemory", "asks.ready.eq(~before)", "asks.ready.eq(1)", MemoryHarness),
        ("engine.memory", "ActivationMemory", "gets.valid.eq(reads)", "gets.valid.eq(wins)", MemoryHarness),
    ],
)
def test_seeded_bugs_in_queues_are_found(module, component, right, wrong, harness):
    with seeded_bug(f"sysmt.hdl.{module}", component, right, wrong):
        assert check(harness(NARROW) if harness is MemoryHarness else harness(), 8) is not None
