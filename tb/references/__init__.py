# SPDX-License-Identifier: Apache-2.0
"""Slow references, written to be read: what the fast models are checked against."""
