# SPDX-License-Identifier: Apache-2.0
"""The `sysmt` command: finds the command, runs it, and turns every user error into one line and exit code 2."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from sysmt.base.errors import LoggedError, UserError
from sysmt.base.extras import named

from .commands import COMMANDS
from .output import Result, emit, say, show
from .outputs import check_outputs


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, and whose help nobody need read to its end."""

    def print_help(self, file: Any = None) -> None:
        emit(self.format_help().rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    """`--version`: the installed version, looked up when asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        emit(f"sysmt {version('sysmt')}")
        parser.exit()


def _called(words: Sequence[str]) -> str | None:
    """The command: no option of `sysmt` itself takes a value, so it is the first word that is no option."""
    return next((word for word in words if not word.startswith("-")), None)


def parser_of(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command line `words`; only the command that they call is imported and has its arguments."""
    called = _called(words)
    parser = _Parser(prog="sysmt", description="RTL generator for sparse, multithreaded DNN accelerators.")
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        sub = commands.add_parser(
            command.name,
            help=command.help,
            description=command.help,
            epilog=f"example:\n  {command.example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if command.name == called:
            handler = command.load()
            handler.arguments(sub)
            sub.add_argument("--json", action="store_true", help="print the result as JSON")
            sub.set_defaults(run=handler.run)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        The exit code: 0 done, 1 a check failed, 2 unusable input or a machine that cannot do it, 130 interrupted.
    """
    words = sys.argv[1:] if argv is None else argv
    called = _called(words)
    try:
        with named():
            args = parser_of(words).parse_args(words)
            check_outputs(args)
            result: Result = args.run(args)
        show(result, args.json)
    except UserError as error:
        return _failed(called, str(error))
    except LoggedError as error:
        return _failed(called, error.line)
    except OSError as error:
        place = "a file" if error.filename is None else f"file {str(error.filename)!r}"
        reason = error.strerror or str(error)
        return _failed(
            called, f"{place} cannot be used: {reason}; make room or choose other folders: SYSMT_BUILD, TMPDIR"
        )
    except MemoryError:
        return _failed(called, "memory is not enough for this; give less at once, or use a larger machine")
    except KeyboardInterrupt:
        say(f"sysmt {called}: interrupted")
        return 130
    return result.code


def _failed(called: str | None, reason: str) -> int:
    """Say why a command failed, in one line; its exit code."""
    say(f"sysmt {called}: error: {reason}")
    return 2


if __name__ == "__main__":
    sys.exit(main())
