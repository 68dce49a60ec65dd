# SPDX-License-Identifier: Apache-2.0
"""What a kind of processing element gives to the gates, and where it is found."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from amaranth.hdl import Value, signed, unsigned
from amaranth.lib import data, wiring

from sysmt.base import plugins
from sysmt.hdl.params.pe import W_WIDTH, X_WIDTH, PEConfig

from .polynomial import Polynomial


class Running(NamedTuple):
    """How many threads a tile runs on: more than one, more than two, all; whether a given one is one of several."""

    several: Value
    quad: Value
    full: Value
    is_one_of_several: Callable[[int], Value]


class Gates(ABC):
    """The gates of one kind of PE: a module in `sysmt.hdl.pe.kinds` holds such an object as `KIND`.

    The array, its counters and its accelerator know a PE by these members and by its `PEConfig` only. Everything
    around the multiplier (registers, accumulator, drain, freezing) is common: `sysmt.hdl.pe.element`.
    """

    @abstractmethod
    def multiplier(self, config: PEConfig) -> type[wiring.Component]:
        """The subclass of `hdl.pe.multiplier.Multiplier` that makes the sum of products of one step, for the target."""

    @abstractmethod
    def events(self, config: PEConfig) -> dict[str, Polynomial]:
        """What one PE adds to each of `PEConfig.EVENTS` in one step, in facts about its operands."""

    def fact(self, config: PEConfig, letter: str, pair: int, operand: Value, running: Running) -> Value:
        """The detector of a fact of `events`, at the edge of the array: one bit.

        Parameters
        ----------
        config : PEConfig
        letter : str
            Of the fact, in lower case.
        pair : int
            Number of the operand within its step, 0 to `PEConfig.products` - 1.
        operand : Value
            An activation, unsigned, or a weight, signed.
        """
        if letter == "n":
            return operand.any()
        raise ValueError(f"{type(self).__name__} has no detector of the fact {letter}")

    def activations(self, config: PEConfig) -> data.ArrayLayout:
        """The activations of one PE in one step: `PEConfig.products` of `X_WIDTH` bits, those of a thread together."""
        return data.ArrayLayout(unsigned(X_WIDTH), config.products)

    def edge(self, config: PEConfig) -> type[wiring.Component] | None:
        """What stands between the activations of a row and its PEs; None where PEs take them as they come.

        A component without registers, made of the `PEConfig`: `i`, the activations; `full`, all threads run; `o`, as
        `passed`. With `zero_width`, `i` are distances from the zero point (`sysmt.hdl.pe.centre`), and `negative` has
        one bit for each of them.
        """
        return None

    def weight_edge(self, config: PEConfig) -> type[wiring.Component] | None:
        """What stands between the weights of a column and its PEs; None where PEs take them as they come.

        A component without registers, made of the `PEConfig`: `i`, the weights; `runs`, the operands of the step that
        do, one bit for each; `o`, as `passed_weights`.
        """
        return None

    def stored_weights(self, config: PEConfig, lanes: int) -> data.Layout | None:
        """The weights of one step for `lanes` columns as memories hold them, within `PEConfig.weight_bytes`.

        None where those are the weights of `lanes` PEs.
        """
        return None

    def stored_edge(self, config: PEConfig) -> type[wiring.Component]:
        """What stands between `stored_weights` and the PEs of a column, in place of `weight_edge`.

        A component as that one; `i`, a column's part of them in the order of `passed_weights`. `live`, one bit for each
        operand of the step: its weight is not zero.
        """
        raise ValueError(f"{type(self).__name__} stores weights as PEs take them")

    def passed_weights(self, config: PEConfig) -> data.ArrayLayout:
        """What PEs get of the weights."""
        return self.weights(config)

    def passed(self, config: PEConfig) -> data.ArrayLayout:
        """What PEs get of the activations: one element per product."""
        return self.activations(config)

    def active(self, config: PEConfig, x: data.View, w: data.View) -> list[Value]:
        """Per product whether it can be other than zero, from what a PE gets: for clock gates."""
        return [x[t].any() & w[t].any() for t in range(config.products)]

    def weights(self, config: PEConfig) -> data.ArrayLayout:
        """The weights of one PE in one step, in the order of `activations`: `W_WIDTH` bits each, signed."""
        return data.ArrayLayout(signed(W_WIDTH), config.products)


def gates_of(config: PEConfig) -> Gates:
    """The gates of the configuration's kind."""
    found: Gates = plugins.load("sysmt.hdl.pe.kinds", "gates", config.kind)
    return found
