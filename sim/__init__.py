# SPDX-License-Identifier: Apache-2.0
"""Models in numpy that never import amaranth; and the silicon flow and the simulation of emitted Verilog."""
