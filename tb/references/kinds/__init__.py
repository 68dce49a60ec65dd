# SPDX-License-Identifier: Apache-2.0
"""The step of every kind of processing element once more, slow and obvious: one module per kind, called like it.

The module's `KIND` is a function: the pairs (x, w) that one PE meets in one step and its `PEConfig` to what is added
to its sum and what it counts.
"""
