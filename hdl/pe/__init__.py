# SPDX-License-Identifier: Apache-2.0
"""Processing elements: one shell (`element`), and the kinds of multiplier that can be put into it (`kinds`)."""
