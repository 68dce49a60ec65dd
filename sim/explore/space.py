# SPDX-License-Identifier: Apache-2.0
"""The configurations to choose from: values for fields of an array, and every combination that can be built."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from math import prod
from typing import Any, TypeVar

from sysmt.base.cache import digest
from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import ConfigError, UserError
from sysmt.hdl.params.array import CLUSTERS, DRAINS, ArrayConfig
from sysmt.hdl.params.pe import DEFAULT_KIND, PEConfig, kind_of, kinds
from sysmt.hdl.params.policy import POLICIES
from sysmt.hdl.params.settings import parse_settings
from sysmt.sim.cost.silicon.components import Built

from .designs import ARRAY, DEFAULTS, ENGINE, KIB, is_around, value_around
from .keys import config_text

T = TypeVar("T")
SIZES = (4, 6, 8, 12, 16, 20, 24, 28, 32, 40, 48, 64)
SMALL = (2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32)
"""On FPGAs, the smallest of which hold a 2x2."""
OWN = ("rows", "cols", "drain", "counters", "fuse", "cluster")
"""Fields of the array itself; all others are of its PEs."""
MOST = 1_000_000
"""Configurations that a space may have."""

COMMON: dict[str, tuple[Any, ...]] = {"rows": SIZES, "cols": SIZES, "drain": DRAINS}
BY_TARGET: dict[str, dict[str, tuple[Any, ...]]] = {
    "asic": {"pipeline": (0, 1), "cluster": CLUSTERS},
    "fpga": {"rows": SMALL, "cols": SMALL, "pipeline": (0, 1, 2, 3), "dsp": (False, True)},
}
BY_DESIGN: dict[str, dict[str, tuple[Any, ...]]] = {
    ENGINE: {"rows": (4, 8, 16), "cols": (4, 8, 16), "drain": ("overlap",)},
}
"""What is tried less of where networks are compiled for every configuration, which takes a second."""
JUDGED: dict[str, tuple[Any, ...]] = {
    "policy": tuple(name for name, policy in POLICIES.items() if policy.detects_zeros),
    "window": ("2opt", "3opt", "5opt"),
}
"""What is tried of a kind's own fields where accuracy is measured; without, nothing would speak for the exact ones."""


Build = Callable[[ArrayConfig, Mapping[str, Any]], Built]
"""Makes a design around an array, of fields of what stands around it."""


@dataclass(frozen=True)
class Candidate:
    """One configuration.

    Members
    -------
    array : ArrayConfig
    fields : tuple of (str, value)
        Of what stands around it.
    built : Built or None
        The whole design; None where it cannot be built.
    refused : str or None
        Why it cannot be.
    """

    array: ArrayConfig
    fields: tuple[tuple[str, Any], ...] = ()
    built: Built | None = None
    refused: str | None = None

    @property
    def text(self) -> str:
        """What it was made from, as text."""
        return config_text(self.array) + ("".join(f" {name}={value}" for name, value in self.fields))


@dataclass(frozen=True)
class Space:
    """Values of fields.

    Parameters
    ----------
    values : mapping of str to tuple
        Field -> what it may be, as `ArrayConfig.with_fields` takes it. A field that only some kinds of PE have counts
        for these. Without `kind` all kinds are tried, without `threads` all that a kind can have.
    target : "asic" or "fpga"
        Of every array.
    around : mapping of str to tuple
        The same of what stands around the array.
    """

    values: Mapping[str, tuple[Any, ...]]
    target: str = "asic"
    around: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def sparse(self) -> bool:
        """Whether some PEs may count on 2:4 weights."""
        return any(self.values.get("stc", ()))

    def arrays(self) -> list[ArrayConfig]:
        """Every array that can be built, each once, in the order of the values.

        Raises
        ------
        UserError
            There is none, or there are too many.
        """
        own = {name: self.values[name] for name in OWN if name in self.values}
        refused: list[ConfigError] = []
        pes = list(dict.fromkeys(self._pes(refused)))
        number = len(pes) * prod(len(values) for values in own.values())
        if number > MOST:
            raise UserError(f"space must have at most {MOST} configurations, not {number}: set fewer values")
        found = []
        for values in product(*own.values()):
            fields = dict(zip(own, values, strict=True))
            for pe in pes:
                try:
                    found.append(ArrayConfig(pe=pe, **fields))
                except ConfigError as error:
                    refused.append(error)
        if not found:
            raise refused[0]
        return found

    def candidates(self, build: Build, points: int | None = None) -> list[Candidate]:
        """Some of the configurations, or all, each once, and those that cannot be built.

        Parameters
        ----------
        build : function of an array and of fields of what stands around it
        points : int, optional
            So many, spread over all; fewer points are some of more.

        Raises
        ------
        UserError
            There is none, or there are too many.
        """
        arrays, wide = self.arrays(), [tuple(zip(self.around, v, strict=True)) for v in product(*self.around.values())]
        number = len(arrays) * len(wide)
        if number > MOST:
            raise UserError(f"space must have at most {MOST} configurations, not {number}: set fewer values")
        every = [Candidate(array, fields) for array in arrays for fields in wide]
        found: dict[Any, Candidate] = {}
        for candidate in chosen(every, points, lambda one: one.text):
            try:
                built = build(candidate.array, dict(candidate.fields))
            except ConfigError as error:
                found.setdefault(candidate, replace(candidate, refused=str(error)))
            else:
                found.setdefault(built, replace(candidate, built=built))
        return list(found.values())

    def _pes(self, refused: list[ConfigError]) -> Iterator[PEConfig]:
        for kind in self.values.get("kind", kinds()):
            able = kind_of(kind).THREADS
            for threads in self.values.get("threads", able):
                if threads not in able:
                    refused.append(ConfigError(must_be_one_of("threads", threads, able)))
                    continue
                base = ArrayConfig().with_fields(kind=kind, threads=threads, target=self.target).pe
                known = base.settable()
                fields = {n: v for n, v in self.values.items() if n in known and n not in (*OWN, "kind", "threads")}
                if threads == 1:
                    # Nothing shares: how operands are reduced makes no difference.
                    fields = {n: v for n, v in fields.items() if n not in ("policy", "rounding")}
                for values in product(*fields.values()):
                    try:
                        yield base.with_fields(**dict(zip(fields, values, strict=True)))
                    except ConfigError as error:
                        refused.append(error)


def space_of(settings: Sequence[str], target: str, judged: bool, design: str = ARRAY) -> Space:
    """The space by default, with the values of some fields replaced.

    Parameters
    ----------
    settings : sequence of str
        `field=value,value,...` each.
    target : "asic" or "fpga"
    judged : bool
        Accuracy is measured: what makes it better or worse is tried, too.
    design : str
        What stands around the array (`sysmt.sim.explore.designs`).

    Raises
    ------
    UserError
        No such field, or a value that no kind of PE can have.
    """
    values = COMMON | BY_TARGET[target] | (JUDGED if judged else {}) | BY_DESIGN.get(design, {})
    if design == ENGINE:
        values["pipeline"] = values["pipeline"][-1:]
    around = dict(DEFAULTS[design])
    for text in settings:
        name, equals, listed = text.partition("=")
        if name == "target":
            raise UserError(f"target follows from the board or the library, and cannot be set to {listed!r}")
        if equals and is_around(design, name):
            around[name] = tuple(value_around(design, name, one) for one in listed.split(","))
            around = {other: found for other, found in around.items() if KIB.get(other) != name}
            continue
        values[name] = tuple(
            _value(name, one, target) if equals else _value(text, None, target) for one in listed.split(",")
        )
    return Space(values, target, around)


def _value(name: str, text: str | None, target: str) -> Any:
    """One value of a field, that of the first kind of PE that has the field and takes it."""
    refused: list[tuple[bool, ConfigError]] = []
    for kind in dict.fromkeys((DEFAULT_KIND, *kinds())):
        base = ArrayConfig().with_fields(kind=kind, target=target)
        try:
            found = parse_settings(base, [name if text is None else f"{name}={text}"])
            base.with_fields(**found)
        except ConfigError as error:
            refused.append((name not in base.settable(), error))
        else:
            return found[name]
    raise min(refused, key=lambda refusal: refusal[0])[1]


def chosen(some: Sequence[T], points: int | None, text: Callable[[Any], str] = config_text) -> list[T]:
    """Some of what a space has, spread over all of it; fewer points are some of more."""
    if points is not None and points < 1:
        raise UserError(f"points must be at least 1, not {points}")
    if points is None or points >= len(some):
        return list(some)
    order = sorted(range(len(some)), key=lambda i: digest(text(some[i])))
    return [some[i] for i in sorted(order[:points])]
