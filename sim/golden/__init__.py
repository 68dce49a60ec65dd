# SPDX-License-Identifier: Apache-2.0
"""Golden models in numpy, bit-exact with the simulated RTL. Never imports amaranth."""
