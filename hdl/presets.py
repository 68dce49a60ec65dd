# SPDX-License-Identifier: Apache-2.0
"""Named configurations: `os<N>` is the conventional NxN array, `sysmt<T>_<N>` the T-threaded one."""

import difflib

from .config import ArrayConfig, PEConfig
from .errors import ConfigError

SIZES = (2, 4, 8, 16, 32, 64)


def _family(prefix: str, threads: int) -> dict[str, ArrayConfig]:
    return {f"{prefix}{n}": ArrayConfig(rows=n, cols=n, pe=PEConfig(threads=threads)) for n in SIZES}


PRESETS: dict[str, ArrayConfig] = _family("os", 1) | _family("sysmt2_", 2) | _family("sysmt4_", 4)


def preset(name: str) -> ArrayConfig:
    """The configuration called `name`; an unknown name is refused with the nearest known one."""
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(str(name), PRESETS, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}{hint}")
