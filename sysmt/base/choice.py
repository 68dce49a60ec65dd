# SPDX-License-Identifier: Apache-2.0
"""Choosing one of several names: the words of a refusal, which name the nearest known one, and the look-up."""

import difflib
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from .errors import UserError

T = TypeVar("T")


def must_be_one_of(what: str, value: object, known: Collection[Any]) -> str:
    """`WHAT must be one of A, B, not 'a' (did you mean A?)`."""
    return f"{what} must be one of {', '.join(map(str, known))}, not {value!r}{did_you_mean(value, known)}"


def did_you_mean(value: object, known: Collection[Any]) -> str:
    """` (did you mean A?)` with the known name that is nearest; empty where none is near."""
    near = difflib.get_close_matches(value, [str(name) for name in known], n=1) if isinstance(value, str) else []
    return f" (did you mean {near[0]}?)" if near else ""


def choose(what: str, name: str, known: Mapping[str, T], error: type[UserError] = UserError) -> T:
    """What `known` holds under `name`; another name is refused as `error`."""
    try:
        return known[name]
    except (KeyError, TypeError):  # TypeError: what nothing can be looked up by, as an array
        raise error(must_be_one_of(what, name, known)) from None
