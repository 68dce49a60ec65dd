# SPDX-License-Identifier: Apache-2.0
"""Golden model of every kind of processing element: one module per kind, called like it (`sysmt.sim.golden.kind`)."""
