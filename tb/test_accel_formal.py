# SPDX-License-Identifier: Apache-2.0
"""Proofs, of any length, that the accelerator's streams keep their rules; seeded bugs fail them."""

import pytest

from sysmt.hdl.accel.buffers import Buffer
from sysmt.hdl.accel.link import FrameReceiver, FrameTransmitter
from sysmt.hdl.common.skid_buffer import SkidBuffer

from .formal import check
from .formal_accel import StreamHarness
from .mutants import one_bug_per_component, seeded_bug

UNITS = {
    "buffer": lambda: Buffer(2, 4),
    "registered buffer": lambda: Buffer(2, 4, register=True),
    "skid buffer": lambda: SkidBuffer(2),
    "transmitter": FrameTransmitter,
    "receiver": lambda: FrameReceiver(16, 2),
}


@pytest.mark.parametrize("name", UNITS)
def test_streams_keep_their_rules(name):
    assert check(StreamHarness(UNITS[name]()), 3) is None
    assert check(StreamHarness(UNITS[name]()), 2, induction=True) is None


@one_bug_per_component(
    ("name", "module", "component", "right", "wrong"),
    [
        ("registered buffer", "accel.buffers", "Buffer", "self.i.ready.eq(~held | takes)", "self.i.ready.eq(1)"),
        ("buffer", "accel.buffers", "Buffer", "read.en.eq(self.i.ready)", "read.en.eq(1)"),
        ("skid buffer", "common.skid_buffer", "SkidBuffer", "full.eq(0)", "full.eq(full)"),
        ("transmitter", "accel.link", "FrameTransmitter", "with m.If(moves & offered)", "with m.If(offered)"),
        ("receiver", "accel.link", "FrameReceiver", "read.en.eq(moves)", "read.en.eq(1)"),
    ],
)
def test_seeded_bugs_are_found(name, module, component, right, wrong):
    with seeded_bug(f"sysmt.hdl.{module}", component, right, wrong):
        assert check(StreamHarness(UNITS[name]()), 2, induction=True) is not None
