# SPDX-License-Identifier: Apache-2.0
"""Schedules of layers: blocking, order and unrolling, what they cost, and the best ones, found exactly."""
