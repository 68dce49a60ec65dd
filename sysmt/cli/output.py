# SPDX-License-Identifier: Apache-2.0
"""What a command is and what it returns: text for people, the same facts as JSON for machines."""

import argparse
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TextIO

from sysmt.base.errors import UserError


@dataclass(frozen=True)
class Result:
    """What a command found: `text` is printed for people, `data` with `--json`; `code` 1 says that a check failed."""

    text: str
    data: dict[str, Any]
    code: int = 0


@dataclass(frozen=True)
class Handler:
    """What does a command: the function that adds its arguments to a parser, and the one that runs it."""

    arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], Result]


@dataclass(frozen=True)
class Command:
    """One subcommand as `--help` shows it; its handler is an object of a module of `sysmt.cli.commands`."""

    name: str
    help: str
    example: str
    module: str
    handler: str

    def load(self) -> Handler:
        """Import the handler, and with it all that the command needs."""
        module = import_module(f"sysmt.cli.commands.{self.module}")
        handler: Handler = getattr(module, self.handler)
        return handler


def no_arguments(_: argparse.ArgumentParser) -> None:
    """For a command that has no arguments of its own."""


def show(result: Result, as_json: bool) -> None:
    """Print a result on standard output."""
    emit(json.dumps(result.data, indent=2) if as_json else result.text)


def emit(text: str) -> None:
    """Print on standard output; a reader that has seen enough, such as `head`, is no error, a full disk is.

    Letters that the output has no code for are printed as escapes.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except OSError as error:
        _discard(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            raise UserError(f"standard output cannot be written: {error.strerror}; choose another place") from None


def progress(text: str) -> None:
    """Say on standard error what is going on."""
    say(f"sysmt: {text}")


def say(line: str) -> None:
    """Print a line on standard error, where there is one that takes it: nothing depends on its being read."""
    if sys.stderr is not None:
        try:
            print(line, file=sys.stderr, flush=True)
        except OSError:
            _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    """What is still to be written to the stream, by Python when it ends at the latest, goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def table(rows: list[dict[str, Any]]) -> str:
    """Lay out rows in aligned columns below their keys; numbers to the right, nothing where a row lacks one."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[_cell(row.get(h, "")) for h in heads] for row in rows]
    widths = [max(len(line[i]) for line in [heads, *cells]) for i in range(len(heads))]
    right = [all(isinstance(row.get(h, 0), (int, float)) for row in rows) for h in heads]

    def line(values: list[str]) -> str:
        cols = (v.rjust(w) if r else v.ljust(w) for v, w, r in zip(values, widths, right, strict=True))
        return "  ".join(cols).rstrip()

    return "\n".join([line(heads), *map(line, cells)])


def passes_text(changes: Sequence[str]) -> list[str]:
    """What graph passes did to a model, for people: all of it, a line each."""
    heading = [f"graph passes, {len(changes)} change{'s' * (len(changes) != 1)} that no result shows:"]
    return heading + [f"  {change}" for change in changes] if changes else []


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
