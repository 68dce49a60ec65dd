# SPDX-License-Identifier: Apache-2.0
"""Operators of int8 networks, bit-exact with TFLite's reference kernels."""
