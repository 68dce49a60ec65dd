# SPDX-License-Identifier: Apache-2.0
"""Gates of every kind of processing element: one module per kind, called like it (`sysmt.hdl.pe.kind.Gates`)."""
