# SPDX-License-Identifier: Apache-2.0
"""Quantised networks from model files, run on the array: import, exact arithmetic, NB-SMT, and what it does to them."""
