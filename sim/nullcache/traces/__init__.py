# SPDX-License-Identifier: Apache-2.0
"""Memory accesses of network layers: what the models and the simulated RTL of a cache are driven by."""
