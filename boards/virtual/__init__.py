# SPDX-License-Identifier: Apache-2.0
"""The virtual board: the accelerator's Verilog, compiled, its pins behind a pseudo-terminal."""
