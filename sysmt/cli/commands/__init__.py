# SPDX-License-Identifier: Apache-2.0
"""One file per command, or per few that belong together: each parses, calls one function of a room, returns a `Result`.

Nothing is printed here but progress, on standard error.
"""

from . import (
    bitstreams,
    board,
    cache,
    conv1d,
    cycles,
    demo,
    fuseconv,
    generate,
    infer,
    matmul,
    networks,
    presets,
    report,
    synth,
    trace,
)

COMMANDS = (
    presets.LIST,
    presets.SHOW,
    generate.GENERATE,
    matmul.MATMUL,
    board.BOARD,
    bitstreams.BOARDS_COMMAND,
    bitstreams.BUILD,
    bitstreams.FLASH,
    conv1d.CONV1D,
    demo.DEMO,
    infer.INFER,
    cycles.CYCLES,
    networks.NETWORKS_COMMAND,
    fuseconv.FUSECONV,
    trace.TRACE,
    cache.CACHE,
    synth.SYNTH,
    report.REPORT,
)
