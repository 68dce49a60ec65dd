# SPDX-License-Identifier: Apache-2.0
"""Testbenches on the emitted Verilog, and the link to a running simulation."""
