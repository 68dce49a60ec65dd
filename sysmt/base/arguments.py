# SPDX-License-Identifier: Apache-2.0
"""Arguments of the public functions: one of another kind than is annotated is refused, not worked with."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Any, ParamSpec, TypeVar, get_args, get_origin

import numpy as np

from .errors import UserError

P = ParamSpec("P")
T = TypeVar("T")

KINDS: dict[Any, tuple[Any, str]] = {
    int: (Integral, "an integer"),
    float: (Real, "a number"),
    bool: ((bool, np.bool_), "True or False"),
    str: (str, "a name"),
    Path: (Path, "a path"),
    NoneType: (NoneType, "None"),
    Mapping: (Mapping, "a mapping of names to values"),
    Sequence: (Sequence, "a list"),
    Callable: (Callable, "a function"),
}
"""What an annotation stands for, and how that is called. Numbers of numpy are numbers."""


def checked(function: Callable[P, T]) -> Callable[P, T]:
    """The function, which refuses arguments of another kind than annotated with those of `KINDS` and unions of them.

    Other annotations, and those in quotation marks, are left to the function.
    """
    signature = inspect.signature(function)
    known = {
        name: _members(parameter.annotation)
        for name, parameter in signature.parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        for name, value in signature.bind(*args, **kwargs).arguments.items():
            _check(name, value, known.get(name, ()))
        return function(*args, **kwargs)

    return call


def check_fields(instance: Any) -> None:
    """The same for the fields of a dataclass, from its `__post_init__`."""
    for field in dataclasses.fields(instance):
        _check(field.name, getattr(instance, field.name), _members(field.type))


def _check(name: str, value: object, members: tuple[Any, ...]) -> None:
    if members and not any(_fits(value, member) for member in members):
        forms = " or ".join(KINDS[member][1] for member in members)
        raise UserError(f"{name} must be {forms}, not {value!r}")


def _members(annotation: Any) -> tuple[Any, ...]:
    """The members of a union, or the annotation itself; none where one of them is not known here."""
    members = get_args(annotation) if get_origin(annotation) not in KINDS else ()
    plain = tuple(get_origin(member) or member for member in members or (annotation,))
    return plain if all(isinstance(member, type) and member in KINDS for member in plain) else ()


def _fits(value: object, member: Any) -> bool:
    is_truth = isinstance(value, (bool, np.bool_))
    if member in (int, float) and is_truth or member is Sequence and isinstance(value, (str, bytes)):
        return False
    return isinstance(value, KINDS[member][0])
