# SPDX-License-Identifier: Apache-2.0
"""SparseCache in RTL: a write-through data cache with a TCAM of zero lines beside it, and its parts.

Ganesan et al., "SparseCache: Extending Data Cache Utilization for Deep Neural Networks", DATE 2020.
"""

from .cache import SparseCache
from .nullcache import NullCache
from .tcam import TCAM
from .tcam_memory import MemoryTCAM

__all__ = ["TCAM", "MemoryTCAM", "NullCache", "SparseCache"]
