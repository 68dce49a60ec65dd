# SPDX-License-Identifier: Apache-2.0
"""Processing elements behind one interface."""
