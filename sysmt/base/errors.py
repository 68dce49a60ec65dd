# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can mend: one line that names the field, the value and the way out."""

import errno
import os

NO_SPACE = os.strerror(errno.ENOSPC)
"""What tools say of a full disk."""


LONGEST = 1500
"""Characters of a message: of a longer one the beginning and the end are shown."""


class UserError(ValueError):
    """Something the user gave cannot be used. The message is one line; the command line exits with 2.

    Values may be shown in several lines, as arrays are, or in very many words: that is mended here.
    """

    def __init__(self, message: str):
        line = " ".join(part.strip() for part in message.splitlines())
        super().__init__(line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} ... {line[-LONGEST // 4 :]}")


class ConfigError(UserError):
    """A configuration value, or a pair of them, is impossible."""


class LoggedError(Exception):
    """A tool or a simulation failed: what failed is the first line of the message, the end of its log the others."""

    @property
    def line(self) -> str:
        """The failure in one line: what failed, and the last line of the log that names an error."""
        what, *log = str(self).splitlines()
        for line in log:
            if NO_SPACE in line:
                return f"{what}: {line.strip()}; make room there, or choose other folders: SYSMT_BUILD, TMPDIR"
        said = [line.strip() for line in log if "error" in line.lower()] or [line.strip() for line in log]
        return ": ".join([what, *said[-1:]])
