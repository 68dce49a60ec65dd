# SPDX-License-Identifier: Apache-2.0
"""The demonstration network: a small convolutional classifier of handwritten digits, in 8-bit integers."""
