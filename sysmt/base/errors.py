# SPDX-License-Identifier: Apache-2.0
"""Errors that a user can mend: one line that names the field, the value and the way out."""


class UserError(ValueError):
    """Something the user gave cannot be used. The message is one line; the command line exits with 2."""


class ConfigError(UserError):
    """A configuration value, or a pair of them, is impossible."""
