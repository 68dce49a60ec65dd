# SPDX-License-Identifier: Apache-2.0
"""SparseCache in numpy: traces of network layers, a fast cycle-exact model and the slow plain one it is held against.

Ganesan et al., "SparseCache: Extending Data Cache Utilization for Deep Neural Networks", DATE 2020.
"""
