# SPDX-License-Identifier: Apache-2.0
"""What all configurations have in common: written as a dictionary, and changed field by field, nested ones included."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, get_args, get_type_hints

from sysmt.base.choice import must_be_one_of
from sysmt.base.errors import ConfigError

C = TypeVar("C", bound="Config")
FLAT = {"flat": True}
"""Metadata of a nested configuration whose fields are named as if they were its owner's: `threads`, not
`pe.threads`."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """A frozen dataclass. Fields of nested configurations are called `outer.inner`, but see `FLAT`."""

    def as_dict(self) -> dict[str, Any]:
        """The fields, nested configurations as dictionaries: what manifests hold and `with_fields` takes back."""
        own: dict[str, Any] = {}
        flat: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Config) and field.metadata.get("flat"):
                flat |= value.as_dict()
            else:
                own[field.name] = value.as_dict() if isinstance(value, Config) else value
        return own | flat

    def with_fields(self: C, **changes: Any) -> C:
        """A copy with the named fields replaced. Unknown names are refused.

        A nested configuration is replaced by another, by None where it may be absent, or, by a dictionary, in some of
        its fields.
        """
        base = self.converted(changes)
        if base is not self:
            return base.with_fields(**changes)
        own, nested = self._split(changes)
        for name, inner in nested.items():
            held = own.get(name, getattr(self, name))
            if held is None and name in own:
                raise ConfigError(f"{name} must be on to set {name}.{next(iter(inner))}, not off")
            config = self._default(name) if held is None else held
            own[name] = config.with_fields(**inner)
        return dataclasses.replace(self, **own)

    def converted(self: C, changes: Mapping[str, Any]) -> C:
        """The configuration that `changes` apply to: another one where they name another class (the kind of a PE)."""
        return self

    def settable(self, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Type of every field that `with_fields` takes, given `changes` as far as they are known."""
        base = self.converted(changes or {})
        found: dict[str, Any] = {}
        for name, hint in base._hints().items():
            nested = base._nested(name)
            if nested is None:
                found[name] = hint
                continue
            flat = base._is_flat(name)
            prefix = "" if flat else f"{name}."
            if type(None) in get_args(hint):
                found[name] = None
            inner = {n.removeprefix(prefix): v for n, v in (changes or {}).items() if n.startswith(prefix)}
            found |= {prefix + n: kind for n, kind in nested.settable(inner).items()}
        return found

    def _split(self, changes: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        """Changes of fields of its own, and per nested configuration of fields of that."""
        own: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {}
        known = self.settable(changes)
        hints = self._hints()
        for name, value in changes.items():
            outer, _, inner = name.partition(".")
            if name in hints and isinstance(value, Mapping) and self._nested(name) is not None:
                nested.setdefault(name, {}).update(value)
            elif name in hints:
                own[name] = value
            elif name not in known:
                raise ConfigError(must_be_one_of("field", name, sorted(known)))
            elif inner:
                nested.setdefault(outer, {})[inner] = value
            else:
                flat = (n for n in hints if self._is_flat(n) and name in self._nested(n).settable(changes))
                nested.setdefault(next(flat), {})[name] = value
        return own, nested

    @classmethod
    def _hints(cls) -> dict[str, Any]:
        hints = get_type_hints(cls)
        return {field.name: hints[field.name] for field in dataclasses.fields(cls)}

    def _nested(self, name: str) -> Any:
        """The configuration that the field holds, its default where it holds none; None where it is a plain field."""
        value = getattr(self, name)
        return value if isinstance(value, Config) else self._default(name)

    @classmethod
    def _default(cls, name: str) -> Any:
        """A configuration of the field's class with all its defaults; None where the field is a plain one."""
        hint = cls._hints()[name]
        classes = [c for c in (get_args(hint) or (hint,)) if isinstance(c, type) and issubclass(c, Config)]
        return classes[0]() if classes else None

    @classmethod
    def _is_flat(cls, name: str) -> bool:
        return any(field.name == name and field.metadata.get("flat") for field in dataclasses.fields(cls))
