# SPDX-License-Identifier: Apache-2.0
"""The styles that Verilog can be written in, by name; `sysmt.hdl.style.Style` says what they are."""

CHOICES = {"initial_values": ("keep", "none"), "reset": ("sync", "async"), "memories": ("inline", "separate")}
