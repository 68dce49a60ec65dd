# SPDX-License-Identifier: Apache-2.0
"""Trains networks for the array: quantisation, NB-SMT, pruning and KURE in the loop, in PyTorch (extra `train`)."""
