# SPDX-License-Identifier: Apache-2.0
"""The policies of NB-SMT: when two threads need the multiplier, and which operand gives way (MICRO 2020, section 3)."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Policy:
    """When and how an operand is reduced to 4 bits. The paper's names are the keys of `POLICIES`.

    Parameters
    ----------
    detects_zeros : bool
        "S": a thread with a zero operand does not need the multiplier; the others take its share, and an operand is
        reduced only where more than one thread is left.
    reduced_operand : "x" or "w"
        Which operand of a thread that has half of the multiplier goes through its 4-bit port: the activation, or the
        weight ("W").
    checks_width : bool
        An operand that fits 4 bits is not reduced.
    swaps : bool
        "w" behind "A", "a" before "W": where the operand at the 4-bit port does not fit and the other one does, they
        change ports.
    """

    detects_zeros: bool
    reduced_operand: Literal["x", "w"] = "x"
    checks_width: bool = False
    swaps: bool = False

    @staticmethod
    def parse(text: str) -> "Policy":
        """Read the paper's name of a policy, one of `POLICIES`."""
        width = text.removeprefix("S").removeprefix("+")
        return Policy(
            detects_zeros=text.startswith("S"),
            reduced_operand="w" if "W" in width else "x",
            checks_width=width not in ("", "min"),
            swaps=width in ("Aw", "aW"),
        )


POLICIES = {name: Policy.parse(name) for name in ("S", "A", "Aw", "W", "aW", "S+A", "S+Aw", "S+W", "S+aW", "min")}
"""Every policy by its name. `min` detects nothing: every product of a shared multiplier is reduced."""
