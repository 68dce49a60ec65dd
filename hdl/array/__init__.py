# SPDX-License-Identifier: Apache-2.0
"""The systolic array: columns of PEs, skew, sequencer, drain and performance counters."""
