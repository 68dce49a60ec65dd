# SPDX-License-Identifier: Apache-2.0
"""Numpy models of the gates: bit-exact products, counters and cycles. Never imports amaranth."""
