# SPDX-License-Identifier: Apache-2.0
"""External memory: the controller of an SDR SDRAM, and weights that are read ahead from it."""
