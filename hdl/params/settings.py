# SPDX-License-Identifier: Apache-2.0
"""The grammar of `--set`: one text `field=value` per field, of any configuration."""

import re
from collections.abc import Collection, Iterable
from typing import Any, TypeVar

from sysmt.base.choice import did_you_mean
from sysmt.base.errors import ConfigError

from .config import Config
from .pe import kind_of, kinds

C = TypeVar("C", bound=Config)


def with_settings(config: C, texts: Iterable[str]) -> C:
    """`config` with texts `field=value` applied."""
    return config.with_fields(**parse_settings(config, texts))


def dotted(facts: dict[str, Any]) -> list[tuple[str, object]]:
    """The fields of a configuration, those of parts as `--set` names them: `array.rows`."""
    fields: list[tuple[str, object]] = []
    for name, value in facts.items():
        inner = dotted(value) if isinstance(value, dict) else []
        fields += [(f"{name}.{n}", v) for n, v in inner] or [(name, value)]
    return fields


def parse_settings(config: Config, texts: Iterable[str]) -> dict[str, Any]:
    """Read texts `field=value` into the changes that `config.with_fields` takes.

    The type is that of the field: `true` or `false`, an integer, or a text. Fields of a nested configuration are
    written `null.entries=64`, those of an array `rows=4` as well as `array.rows=4` where no other field has that name;
    a configuration that may be absent is switched off by `null=off`.

    Raises
    ------
    ConfigError
        No such field, or a value of another type.
    """
    given: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise _unknown(text, name, config.settable(given))
        given[name] = value
    given = _full_names(config, given)
    types = config.settable(given)
    for name, value in given.items():
        if name not in types:
            raise _unknown(f"{name}={value}", name, types)
    return {name: _value(name, value, types[name]) for name, value in given.items()}


def _full_names(config: Config, given: dict[str, str]) -> dict[str, str]:
    """The same with names of nested fields in full; last those that another one brings, as a kind of PE does."""
    before: dict[str, str] = {}
    while given != before:
        before, types = given, config.settable(given)
        given = {_full_name(name, types): value for name, value in given.items()}
    return given


def _full_name(name: str, known: Collection[str]) -> str:
    return f"array.{name}" if name not in known and f"array.{name}" in known else name


def _unknown(text: str, name: str, known: Collection[str]) -> ConfigError:
    fields = ", ".join(sorted(known))
    if name in known:
        hint = f" (did you mean {name}=VALUE?)"
    else:
        hint = _hint_of_kind(name, known) or did_you_mean(name, sorted(known))
    return ConfigError(f"setting must be field=value with field one of {fields}, not {text!r}{hint}")


def _hint_of_kind(name: str, known: Collection[str]) -> str:
    """Which kind of PE brings a field, where the kind can be chosen; nothing if none does."""
    own = name.removeprefix("array.")
    able = [kind for kind in kinds() if own in kind_of(kind).__dataclass_fields__]
    if not able or name in known or not {"kind", "array.kind"} & set(known):
        return ""
    return f" ({own} is a field of kind {' or '.join(able)}: set kind={able[0]} too)"


def _value(name: str, text: str, kind: Any) -> Any:
    """The text as a value of the field's type."""
    if kind is None:
        if text != "off":
            raise ConfigError(f"{name} must be off, or set by its fields ({name}.FIELD=VALUE), not {text!r}")
        return None
    if kind is bool:
        if text not in ("true", "false"):
            raise ConfigError(f"{name} must be true or false, not {text!r}")
        return text == "true"
    if kind is int:
        if not re.fullmatch(r"-?[0-9]+", text):
            raise ConfigError(f"{name} must be an integer, not {text!r}")
        return int(text)
    return text
