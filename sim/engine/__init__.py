# SPDX-License-Identifier: Apache-2.0
"""Whole networks on the engine: compiler, program file, golden model, cycles."""
