# SPDX-License-Identifier: Apache-2.0
"""What software needs beside the Verilog of a device on a bus, from its one table of registers and commands."""
