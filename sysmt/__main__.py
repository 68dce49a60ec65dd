# SPDX-License-Identifier: Apache-2.0
"""`python -m sysmt`: the command line."""

import sys

from sysmt.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
