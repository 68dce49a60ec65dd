# SPDX-License-Identifier: Apache-2.0
"""What can be chosen, in plain Python: configurations, presets, protocol and registers. Never imports amaranth."""
