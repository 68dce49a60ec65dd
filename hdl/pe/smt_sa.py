# SPDX-License-Identifier: Apache-2.0
"""The PE of SMT-SA (Shomron, Horowitz and Weiser, IEEE CAL 2019): threads that wait in queues for one multiplier."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from sysmt.hdl.common.adders import add
from sysmt.hdl.common.short_queue import ShortQueue, thermometer
from sysmt.hdl.emit import shared
from sysmt.hdl.params.blocks import owned_by
from sysmt.hdl.params.pe import THREADS, W_WIDTH, X_WIDTH
from sysmt.hdl.params.smt_sa import LINK, SmtSaConfig

from .multiplier import Conventional


class Activation(data.StructLayout):
    """An activation of one thread; `last`: of its tile."""

    def __init__(self) -> None:
        super().__init__({"x": unsigned(X_WIDTH), "last": 1})


class LeavingSum(data.StructLayout):
    """A sum on its way out of a column; `last`: of its tile, that of the row farthest from the exit."""

    def __init__(self, config: SmtSaConfig):
        super().__init__({"sum": signed(config.acc_width), "last": 1})


class SmtSaElement(wiring.Component):
    """One output-stationary PE whose threads wait for each other instead of losing bits.

          i_w[t]     i_sum
            |          |        every thread on its own: links of `LINK` operands, of which a pair moves on when both
         [link]     [drain]     neighbours have room and, if no operand is zero, the queue has, too
            |          |
    i_x[t]-[link]-+-o_x[t]      of all queues the fullest gives one pair a cycle to the multiplier, equal ones in turn
            |     |
          o_w[t] [queue t]->(x*w)->[sum]

    A thread may be one tile ahead. A tile's sum moves to the drain register when every thread has brought its last
    pair, all are multiplied, and the sums of the tile before have passed; drains of a column move downwards, in order
    of rows.

    Parameters
    ----------
    config : SmtSaConfig

    Members
    -------
    i_x, o_x : array of `threads` streams of Activation
    i_w, o_w : array of `threads` streams of signed(8)
    i_sum, o_sum : stream of LeavingSum
    top : In(1)
        No PE is above this one.

    Latency
    -------
    An operand is there a cycle after it came, in its queue a cycle later, in the sum after one more. Which cycle a pair
    takes depends on all operands around it: `sysmt.sim.cost.smt_sa` says it to the cycle.

    Limits
    ------
    `o_sum.ready` acts on everything that waits for a finished tile in the same cycle, through all PEs of a column.
    A sum that does not fit `acc_width` wraps.
    """

    block = "control"
    parts = {f"{queue}_{t}": "registers" for queue in ("x_link", "w_link", "queue") for t in range(max(THREADS))}

    def __init__(self, config: SmtSaConfig):
        self.config = config
        activations, weights = stream.Signature(Activation()), stream.Signature(signed(W_WIDTH))
        sums = stream.Signature(LeavingSum(config))
        super().__init__(
            {
                "i_x": In(activations).array(config.threads),
                "o_x": Out(activations).array(config.threads),
                "i_w": In(weights).array(config.threads),
                "o_w": Out(weights).array(config.threads),
                "i_sum": In(sums),
                "o_sum": Out(sums),
                "top": In(1),
            }
        )

    @staticmethod
    def module_name(config: SmtSaConfig) -> str:
        return "pe"

    def elaborate(self, platform):
        m = Module()
        threads, depth = self.config.threads, self.config.queue
        complete = self._complete = Signal()  # The sum goes to the drain; the next tile is the PE's.
        # Pairs of the PE's tile that wait, the first of those in the queue, as thermometers.
        current = [Signal(depth, name=f"current_{t}") for t in range(threads)]
        ended, chosen = Signal(threads), Signal(threads)
        queues = [self._queue(m, f"queue_{t}", X_WIDTH + W_WIDTH, depth) for t in range(threads)]
        some = Cat(pairs[0] for pairs in current).any()
        # Where none of the tile is left, those of the next one are multiplied, if the tile ends in this cycle.
        usable = [Mux(some, pairs, queue.level) for pairs, queue in zip(current, queues, strict=True)]
        wins = self._choose(m, usable, chosen)
        may = some | complete
        m.d.comb += chosen.eq(wins & may.replicate(threads))
        for t, queue in enumerate(queues):
            m.d.comb += queue.pop.eq(chosen[t])
            of_tile = self._take(m, t, queue, ended)
            pairs = Mux(complete, queue.level, current[t])
            m.d.sync += current[t].eq(thermometer(pairs, queue.push & of_tile, chosen[t]))
        total = self._accumulate(m, queues, wins, some, platform)
        self._drain(m, total, ended.all() & ~some)
        return m

    @staticmethod
    def _queue(m: Module, name: str, width: int, depth: int) -> ShortQueue:
        m.submodules[name] = queue = ShortQueue(width, depth)
        return queue

    def _choose(self, m: Module, usable: list[Value], chosen: Signal) -> Signal:
        """Which queue would give a pair: the fullest, of equal ones the first from `turn` on."""
        threads = len(usable)
        turn, wins = Signal(range(threads)), Signal(threads)
        for a, own in enumerate(usable):
            best = own[0]
            for b, other in enumerate(usable):
                if a != b:
                    # In turn, the higher of two comes first if the turn is behind the lower, and not behind the higher.
                    higher = (turn > min(a, b)) & (turn <= max(a, b))
                    equal = ~(other & ~own).any() & (higher if a > b else ~higher)
                    best = best & ((own & ~other).any() | equal)
            m.d.comb += wins[a].eq(best)
            with m.If(chosen[a]):
                m.d.sync += turn.eq((a + 1) % threads)
        return wins

    def _take(self, m: Module, t: int, queue: ShortQueue, ended: Signal) -> Value:
        """Take a pair of thread t from the links, hand it on, and push it if it makes a product.

        Returns whether it is of the PE's tile, and not of the next one.
        """
        i_x, o_x, i_w, o_w = self.i_x[t], self.o_x[t], self.i_w[t], self.o_w[t]
        x_link = self._queue(m, f"x_link_{t}", Activation().size, LINK)
        w_link = self._queue(m, f"w_link_{t}", W_WIDTH, LINK)
        may, takes, live = Signal(name=f"may_{t}"), Signal(name=f"takes_{t}"), Signal(name=f"live_{t}")
        ahead = Signal(name=f"ahead_{t}")  # The next tile has ended, too.
        for link, i, o in ((x_link, i_x, o_x), (w_link, i_w, o_w)):
            m.d.comb += [
                i.ready.eq(~link.level[-1]),
                link.push.eq(i.valid & i.ready),
                link.i.eq(Value.cast(i.payload)),
                Value.cast(o.payload).eq(link.o),
                link.pop.eq(takes),
            ]
        room = ~queue.level[-1] | queue.pop
        waits = ahead & ~self._complete
        m.d.comb += [
            live.eq(o_x.payload.x.any() & o_w.payload.any()),
            may.eq(x_link.level[0] & w_link.level[0] & ~waits & (~live | room)),
            o_x.valid.eq(may & o_w.ready),
            o_w.valid.eq(may & o_x.ready),
            takes.eq(may & o_x.ready & o_w.ready),
            queue.push.eq(takes & live),
            queue.i.eq(Cat(o_x.payload.x, o_w.payload)),
        ]
        ends = takes & o_x.payload.last
        has_ended = Mux(self._complete, ahead, ended[t])
        m.d.sync += [ended[t].eq(has_ended | ends), ahead.eq(Mux(ends, has_ended, waits))]
        return ~has_ended

    def _accumulate(self, m: Module, queues: list[ShortQueue], wins: Signal, some: Value, platform: object) -> Signal:
        """Add the product of the pair that wins, if it is of the tile; a complete tile gives way to it: the sum.

        It begins at zero by reset, since no tile before the first one is complete.
        """
        width = self.config.acc_width
        total = Signal(signed(width), attrs=owned_by("accumulator"))
        pair = Signal(X_WIDTH + W_WIDTH)
        for t, queue in enumerate(queues):
            with m.If(wins[t]):
                m.d.comb += pair.eq(queue.o)
        pe = self.config.conventional.pe
        multiplier = shared(m, "multiplier", Conventional, pe, platform)
        m.d.comb += [
            multiplier.enable.eq(1),
            multiplier.x[0].eq(pair[:X_WIDTH]),
            multiplier.w[0].eq(pair[X_WIDTH:]),
        ]
        product = multiplier.product
        # Whether a tile is complete is known last, since it depends on the PEs below: it only chooses.
        added = add(m, [total, Mux(some, product, 0).as_signed()], width, pe.target, "acc")
        m.d.sync += total.eq(Mux(self._complete, product, added.as_signed()))
        return total

    def _drain(self, m: Module, total: Signal, done: Value) -> None:
        """The register on the way out: the own sum first, then what comes from above until the last of the tile."""
        leaving = Signal(LeavingSum(self.config), reset_less=True, attrs=owned_by("drain"))
        full, own = Signal(), Signal(init=1)
        vacant = Signal()
        m.d.comb += [
            vacant.eq(~full | self.o_sum.ready),
            self._complete.eq(done & own & vacant),
            self.i_sum.ready.eq(~own & vacant),
            self.o_sum.valid.eq(full),
            self.o_sum.payload.eq(leaving),
        ]
        with m.If(self._complete):
            m.d.sync += [leaving.sum.eq(total), leaving.last.eq(self.top), own.eq(self.top)]
        with m.Elif(self.i_sum.valid & self.i_sum.ready):
            m.d.sync += [leaving.eq(self.i_sum.payload), own.eq(self.i_sum.payload.last)]
        with m.If(vacant):
            m.d.sync += full.eq(self._complete | (self.i_sum.valid & self.i_sum.ready))
