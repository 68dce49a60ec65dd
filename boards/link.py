# SPDX-License-Identifier: Apache-2.0
"""Requests and responses over a transport that may lose or damage bytes: numbers, credit, time-outs, retries."""

import os
import struct
from collections import OrderedDict
from dataclasses import dataclass

from sysmt.base.errors import UserError
from sysmt.hdl.params.protocol import ARGUMENTS, RESPONSE, Opcode, Status, pack

from .frames import Decoder, Frame, encode
from .transport import Transport, TransportError

BOUND = 3.0
"""Seconds in which a board has answered at all, or there is none."""
TRIES = 25


class LinkError(UserError):
    """The board answers, but not so that work can go on."""


class OtherKindError(LinkError):
    """The board holds the other kind of device: an engine, not an accelerator, or the reverse."""


class NoBoardError(LinkError):
    """Nothing that answers as a board does, within `BOUND`."""


@dataclass(eq=False)
class PendingRequest:
    """A request on its way; `answer` is its response without the status, and `status` counts, once it is there."""

    frame: Frame
    deadline: float = 0.0
    tries: int = 0
    answer: bytes | None = None
    status: Status = Status.OK


class Link:
    """Requests over a transport, several on their way at once.

    Parameters
    ----------
    transport : Transport
    credit : int
        Requests that may be unanswered: the frames that the board can hold. 1 until it is known.
    timeout : float
        Seconds after which an answer is taken for lost.

    Members
    -------
    tries : int
        How often a request is sent before the board counts as gone.
    sent, repeated : int
        Frames sent, and those of them that were sent before.
    """

    def __init__(self, transport: Transport, credit: int = 1, timeout: float = 0.5):
        self.transport, self.credit, self.timeout = transport, credit, timeout
        self._decoder = Decoder()
        self._waiting: OrderedDict[int, PendingRequest] = OrderedDict()
        self.tries = TRIES
        self._sequence = int.from_bytes(os.urandom(2), "little")
        self.sent = self.repeated = 0

    @property
    def dropped(self) -> int:
        """Runs of bytes from the board that were no frame."""
        return self._decoder.dropped

    def synchronise(self) -> None:
        """Make sure that a board is there, and that nothing older than this is still to come."""
        self._waiting.clear()
        nonce = os.urandom(ARGUMENTS[Opcode.SYNC].size)
        request = PendingRequest(self._frame(Opcode.SYNC, nonce))
        begun = self.transport.now()
        garbage = 0
        while self.transport.now() < begun + BOUND:
            self._send(request)
            until = min(self.transport.now() + self.timeout, begun + BOUND)
            while self.transport.now() < until:
                data = self.transport.read(max(until - self.transport.now(), 0.0))
                garbage += len(data)
                for frame in self._decoder.feed(data):
                    if frame == Frame(Opcode.SYNC | RESPONSE, request.frame.sequence, bytes([Status.OK]) + nonce):
                        return
        heard = f"{garbage} bytes came, none of them an answer" if garbage else "nothing came"
        raise NoBoardError(
            f"port {self.transport.name!r} has no sysmt board behind it ({heard} in {BOUND:g} s): "
            "check port, baud rate and bitstream"
        )

    def submit(self, kind: Opcode, payload: bytes) -> PendingRequest:
        """Send a request as soon as there is credit for it."""
        while len(self._waiting) >= self.credit:
            self._pump()
        request = PendingRequest(self._frame(kind, payload))
        self._waiting[request.frame.sequence] = request
        self._send(request)
        self._pump(block=False)
        return request

    def wait(self, *requests: PendingRequest) -> list[bytes]:
        """Wait for requests, and return their answers; a status other than OK is a LinkError."""
        answers = []
        for request in requests:
            while request.answer is None:
                self._pump()
            if request.status is not Status.OK:
                command, status = Opcode(request.frame.kind).name, request.status.name
                raise LinkError(f"board on {self.transport.name!r} answers {command} with {status}: reset it")
            answers.append(request.answer)
        return answers

    def ask(self, kind: Opcode, payload: bytes) -> bytes:
        """A request and its answer."""
        return self.wait(self.submit(kind, payload))[0]

    def registers(self, first: int, count: int) -> list[int]:
        """The words of registers `first` to `first + count - 1`."""
        answer = self.ask(Opcode.REGISTERS, pack(Opcode.REGISTERS, first=first, count=count))
        if len(answer) != 4 * count:
            raise LinkError(
                f"board on {self.transport.name!r} sent {len(answer)} bytes for {count} registers: flash this version"
            )
        return list(struct.unpack(f"<{count}I", answer))

    def _frame(self, kind: Opcode, payload: bytes) -> Frame:
        self._sequence = (self._sequence + 1) & 0xFFFF
        return Frame(int(kind), self._sequence, payload)

    def _send(self, request: PendingRequest) -> None:
        self.sent += 1
        self.repeated += request.tries > 0
        request.tries += 1
        if request.tries > self.tries:
            raise TransportError(
                f"board on {self.transport.name!r} does not answer ({self.tries} tries): is the cable unplugged?"
            )
        self.transport.write(encode(request.frame))
        request.deadline = self.transport.now() + self.timeout

    def _pump(self, block: bool = True) -> None:
        """Take what has come; send again what must be lost. Blocks until the next deadline at most."""
        wait = 0.0
        if block and self._waiting:
            wait = max(min(r.deadline for r in self._waiting.values()) - self.transport.now(), 0.0)
        lost: list[PendingRequest] = []
        for frame in self._decoder.feed(self.transport.read(wait)):
            lost += self._take(frame)
        now = self.transport.now()
        lost += [r for r in self._waiting.values() if r.deadline <= now and r not in lost]
        for request in lost:
            if request.answer is None:
                self._waiting.move_to_end(request.frame.sequence)
                self._send(request)

    def _take(self, frame: Frame) -> list[PendingRequest]:
        """Note an answer. The board answers in order, so what was sent before its request is lost."""
        request = self._waiting.get(frame.sequence)
        if request is None or frame.kind != request.frame.kind | RESPONSE or not frame.payload:
            return []
        try:
            request.status = Status(frame.payload[0])
        except ValueError:
            raise LinkError(f"board on {self.transport.name!r} speaks another protocol: flash this version") from None
        request.answer = frame.payload[1:]
        before = []
        for sequence, other in self._waiting.items():
            if sequence == frame.sequence:
                break
            before.append(other)
        # After a retry the answer may be to the earlier copy: then the order says nothing.
        lost = before if request.tries == 1 else []
        del self._waiting[frame.sequence]
        return lost
