# SPDX-License-Identifier: Apache-2.0
"""Readers of networks: one file per format."""
