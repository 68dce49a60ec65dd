# SPDX-License-Identifier: Apache-2.0
"""The `sysmt` command: finds the command, runs it, and turns every user error into one line and exit code 2."""

import argparse
import sys
from importlib.metadata import version
from typing import NoReturn

from sysmt.base.errors import UserError

from .commands import COMMANDS
from .output import Command, show


class _Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sysmt", description="RTL generator for sparse, multithreaded DNN accelerators.")
    parser.add_argument("--version", action="version", version=f"sysmt {version('sysmt')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        _add(commands, command)
    return parser


def _add(commands: "argparse._SubParsersAction[_Parser]", command: Command) -> None:
    sub = commands.add_parser(
        command.name,
        help=command.help,
        description=command.help,
        epilog=f"example:\n  {command.example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.arguments(sub)
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    sub.set_defaults(run=command.run)


def main(argv: list[str] | None = None) -> int:
    """Run the command line. Returns the exit code: 0 done, 1 a check failed, 2 unusable input, 130 interrupted."""
    args = _parser().parse_args(argv)
    try:
        result = args.run(args)
    except UserError as error:
        print(f"sysmt {args.command}: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"sysmt {args.command}: interrupted", file=sys.stderr)
        return 130
    show(result, args.json)
    return result.code


if __name__ == "__main__":
    sys.exit(main())
