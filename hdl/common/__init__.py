# SPDX-License-Identifier: Apache-2.0
"""Blocks that any design may use: skid buffer, delay lines, adders, population count."""
