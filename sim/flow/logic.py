# SPDX-License-Identifier: Apache-2.0
"""Boolean functions of liberty cells as truth tables."""

import re
from collections.abc import Sequence

_TOKEN = re.compile(r"[A-Za-z_][\w\[\]]*|[01!'&*|+^()]")


class LogicError(ValueError):
    """A function that cannot be read."""


def truth_table(expression: str, inputs: Sequence[str]) -> int:
    """The function as an integer: bit i is its value where input j is bit j of i.

    Parameters
    ----------
    expression : str
        In liberty's notation: `!a` or `a'`, `a & b`, `a * b` or `a b`, `a | b` or `a + b`, `a ^ b`, 0, 1.
    inputs : sequence of names
        At most 12; a name that is not one of them is refused.
    """
    tokens = _TOKEN.findall(expression)
    if re.sub(r"\s+", "", expression) != "".join(tokens) or len(inputs) > 12:
        raise LogicError(f"function {expression!r} cannot be read")
    ones = (1 << (1 << len(inputs))) - 1
    columns = {name: _column(position, len(inputs)) for position, name in enumerate(inputs)}
    position = 0

    def peek() -> str:
        return tokens[position] if position < len(tokens) else ""

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1] if position <= len(tokens) else ""

    def factor() -> int:
        token = take()
        if token == "!":
            return ones ^ factor()
        if token == "(":
            value = either()
            if take() != ")":
                raise LogicError(f"function {expression!r} lacks a bracket")
        elif token in ("0", "1"):
            value = ones * int(token)
        elif token in columns:
            value = columns[token]
        else:
            raise LogicError(f"function {expression!r} names {token!r}, which is no input")
        while peek() == "'":
            take()
            value ^= ones
        return value

    def both() -> int:
        value = factor()
        while peek() and peek() not in ")|+^":
            if peek() in ("&", "*"):
                take()
            value &= factor()
        return value

    def odd() -> int:
        value = both()
        while peek() == "^":
            take()
            value ^= both()
        return value

    def either() -> int:
        value = odd()
        while peek() in ("|", "+"):
            take()
            value |= odd()
        return value

    value = either()
    if position != len(tokens):
        raise LogicError(f"function {expression!r} cannot be read")
    return value


def _column(position: int, count: int) -> int:
    """The truth table of input `position` of `count`."""
    return sum(1 << i for i in range(1 << count) if i >> position & 1)


def decisions(table: int, count: int) -> list[tuple[int, int, int]]:
    """The function as a program of choices: a reduced decision diagram, its root last.

    Returns
    -------
    list of (input, low, high)
        The value is `high` where the input is 1, else `low`; 0 and 1 are the constants, i + 2 an earlier choice.
    """
    program: list[tuple[int, int, int]] = []
    known: dict[tuple[int, int], int] = {}
    nodes: dict[tuple[int, int, int], int] = {}

    def build(part: int, width: int) -> int:
        ones = (1 << (1 << width)) - 1
        if part in (0, ones):
            return int(part != 0)
        if (part, width) not in known:
            half = 1 << (width - 1)
            low, high = build(part & ((1 << half) - 1), width - 1), build(part >> half, width - 1)
            if low == high:
                known[part, width] = low
            else:
                node = (width - 1, low, high)
                if node not in nodes:
                    program.append(node)
                    nodes[node] = len(program) + 1
                known[part, width] = nodes[node]
        return known[part, width]

    root = build(table, count)
    if not program or root != len(program) + 1:  # a constant, or one input alone
        program.append((0, root, root))
    return program
