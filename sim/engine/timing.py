# SPDX-License-Identifier: Apache-2.0
"""The control of the engine, cycle by cycle: what waits for what, without the data.

Every class here has the registers of one unit of `sysmt.hdl.engine` that decide when something happens, and moves them
as the unit does. The gates are the truth: tests hold both against one another, layer by layer.
"""


class Skid:
    """`sysmt.hdl.common.skid_buffer.SkidBuffer`."""

    __slots__ = ("full", "valid")

    def __init__(self) -> None:
        self.valid = self.full = False

    def tick(self, i_valid: bool, o_ready: bool) -> None:
        """One clock; `i.ready` was `not full`."""
        if not self.valid or o_ready:
            self.valid = self.full or i_valid
            self.full = False
        elif i_valid:
            self.full = True

    def state(self) -> tuple[bool, bool]:
        """All registers."""
        return self.valid, self.full


class Queue:
    """`sysmt.hdl.common.promised_queue.PromisedQueue`."""

    __slots__ = ("depth", "promised", "stored")

    def __init__(self, depth: int = 4) -> None:
        self.depth, self.promised, self.stored = depth, 0, 0

    @property
    def room(self) -> bool:
        """Whether a word can be promised room."""
        return self.promised != self.depth

    def tick(self, promise: bool, write: bool, taken: bool) -> None:
        """One clock."""
        self.promised += promise - taken
        self.stored += write - taken

    def state(self) -> tuple[int, int]:
        """All registers."""
        return self.promised, self.stored


class Buffer:
    """A block RAM that is read as a stream, with a register behind it (`sysmt.hdl.accel.buffers.Buffer`)."""

    __slots__ = ("held", "valid")

    def __init__(self) -> None:
        self.held = self.valid = False

    def ready(self, o_ready: bool) -> bool:
        """Whether an address is taken."""
        return not self.held or not self.valid or o_ready

    def tick(self, i_valid: bool, o_ready: bool) -> None:
        """One clock."""
        takes = not self.valid or o_ready
        ready = not self.held or takes
        if takes:
            self.valid = self.held
        if ready:
            self.held = i_valid

    def state(self) -> tuple[bool, bool]:
        """All registers."""
        return self.held, self.valid
