# SPDX-License-Identifier: Apache-2.0
"""What a few measurements say of all others: latencies of networks on hardware that was never measured as a whole."""
