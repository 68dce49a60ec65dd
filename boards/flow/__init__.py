# SPDX-License-Identifier: Apache-2.0
"""From a board and a preset to a bitstream on the board: synthesis, place and route, report, flashing."""
