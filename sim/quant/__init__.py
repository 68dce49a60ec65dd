# SPDX-License-Identifier: Apache-2.0
"""NB-SMT on whole networks: reordering, recalibration, adaptation, the search for a plan, and its report."""
