# SPDX-License-Identifier: Apache-2.0
"""The step of every kind of processing element once more, slow and obvious: one module per kind, called like it.

The module's `KIND` is called with the pairs (x, w) that one PE meets in one step and its `PEConfig`, and gives what is
added to its sum and what it counts. Where it has methods `places` and `fed`, they say which places of K make a step,
and what K consists of (`tb.references.product`).
"""
