# SPDX-License-Identifier: Apache-2.0
"""Open FPGA boards: bitstreams, flashing and the host driver."""
