# SPDX-License-Identifier: Apache-2.0
"""The syntax of liberty files: groups, their attributes, and the groups in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_TOKEN = re.compile(r'"[^"]*"|[(){};:,]|[^\s(){};:,"]+')
_SKIPPED = re.compile(r"/\*.*?\*/|\\\r?\n", re.DOTALL)


class LibertyError(ValueError):
    """The text is not made of groups and attributes."""


@dataclass
class Group:
    """`kind (names) { name : value; name (values); other groups }`."""

    kind: str
    names: list[str]
    values: dict[str, list[str]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def all(self, kind: str) -> Iterator["Group"]:
        """The groups of that kind directly below."""
        return (group for group in self.groups if group.kind == kind)

    def text(self, name: str, default: str = "") -> str:
        """The first value of an attribute."""
        return self.values[name][0] if self.values.get(name) else default

    def number(self, name: str, default: float = 0.0) -> float:
        """The first value of an attribute as a number."""
        try:
            return float(self.text(name, str(default)))
        except ValueError:
            raise LibertyError(f"{name} must be a number, not {self.text(name)!r}") from None


def without_comments(text: str) -> str:
    """The text with comments and line continuations removed."""
    return _SKIPPED.sub(" ", text)


def parse(text: str) -> Group:
    """The one group that `text` (without comments) begins with.

    Raises
    ------
    LibertyError
        What is found instead.
    """
    tokens = _TOKEN.findall(text)
    root = Group("", [])
    stack, position = [root], 0
    try:
        while position < len(tokens):
            name = tokens[position]
            if name in "};":
                if name == "}":
                    stack.pop()
                    if len(stack) == 1:
                        return root.groups[0]
                position += 1
            elif tokens[position + 1] == ":":
                end = position + 2
                while tokens[end] not in (";", "}"):
                    end += 1
                stack[-1].values[name] = [" ".join(token.strip('"') for token in tokens[position + 2 : end])]
                position = end
            elif tokens[position + 1] == "(":
                end = tokens.index(")", position)
                values = [token.strip('"') for token in tokens[position + 2 : end] if token != ","]
                position = end + 1
                if tokens[position] == "{":
                    group = Group(name, values)
                    stack[-1].groups.append(group)
                    stack.append(group)
                    position += 1
                else:
                    stack[-1].values[name] = values
            else:
                raise LibertyError(f"found {name[:40]!r}")
    except (IndexError, ValueError) as error:
        raise LibertyError(str(error) if isinstance(error, LibertyError) else "it ends in the middle") from None
    raise LibertyError("it ends in the middle" if len(stack) > 1 else "it holds no group")
