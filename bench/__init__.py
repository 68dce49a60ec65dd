# SPDX-License-Identifier: Apache-2.0
"""Measurements of every figure the project claims, as ratios taken in one run. `python -m bench` runs all."""
