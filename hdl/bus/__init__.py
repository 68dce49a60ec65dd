# SPDX-License-Identifier: Apache-2.0
"""Signatures of standard buses: AXI4, AXI4-Lite and Wishbone, with the port names of their specifications."""

from .axi import AXI4, AXI4Lite
from .wishbone import Wishbone

__all__ = ["AXI4", "AXI4Lite", "Wishbone"]
