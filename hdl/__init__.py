# SPDX-License-Identifier: Apache-2.0
"""Synthesizable blocks and the configuration they, the models and the manifest are derived from."""
