# SPDX-License-Identifier: Apache-2.0
"""Builds and runs simulations of emitted Verilog, and the testbenches that the product itself drives."""
