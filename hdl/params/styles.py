# SPDX-License-Identifier: Apache-2.0
"""The styles and the ports that Verilog can be written in and with, by name."""

CHOICES = {"initial_values": ("keep", "none"), "reset": ("sync", "async"), "memories": ("inline", "separate")}
"""`sysmt.hdl.style.Style` says what they are."""
PORTS = ("native", "axis")
"""Of arrays, caches and TCAMs: streams of a payload with valid and ready, or AXI4-Stream."""
