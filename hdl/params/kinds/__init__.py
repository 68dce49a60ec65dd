# SPDX-License-Identifier: Apache-2.0
"""Parameters of every kind of processing element: one module per kind, called like it (`sysmt.base.plugins`).

The module's `KIND` is the subclass of `sysmt.hdl.params.pe.PEConfig` with the fields of the kind.
"""
