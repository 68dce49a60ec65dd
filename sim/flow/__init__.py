# SPDX-License-Identifier: Apache-2.0
"""What emitted Verilog costs in silicon: area, timing and energy in standard cells, resources and clock on FPGAs.

Everything here takes Verilog text, the name of its top module and a cell library; nothing here makes gates.
"""
