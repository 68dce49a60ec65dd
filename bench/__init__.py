# SPDX-License-Identifier: Apache-2.0
"""Measurements, each of them a ratio taken in one process on one machine."""
