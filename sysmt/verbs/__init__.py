# SPDX-License-Identifier: Apache-2.0
"""One file per verb, each with `NAME`, `HELP`, `EXAMPLE`, `arguments(parser)` and `run(args) -> result`.

`run` returns a `sysmt.output.Result`; it prints nothing itself but progress, on standard error.
"""

from . import infer, presets

VERBS = (presets.LIST, presets.SHOW, infer.INFER)
