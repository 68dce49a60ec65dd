# SPDX-License-Identifier: Apache-2.0
"""Named configurations of everything that can be generated.

`os<N>` is the conventional NxN array, `sysmt<T>_<N>` the T-threaded one, with `<R>x<C>` one of R rows, `sparq_<N>`
and `sparq2_<N>` those of SPARQ with one and two pairs, `smtsa<T>_<N>` SMT-SA of T threads; `accel_<array>` is the
accelerator around such an array, with buffers, requantiser and host link; `engine_<array>` is the engine that runs
whole networks on it.
"""

from typing import Any, TypeVar, overload

from sysmt.base.choice import choose
from sysmt.base.errors import ConfigError

from .accel import AccelConfig, accel_config
from .array import ArrayConfig
from .cache import CacheConfig, NullCacheConfig, TCAMConfig
from .config import Config
from .engine import EngineConfig, engine_config
from .kinds.sparq import SparqConfig
from .pe import PEConfig
from .smt_sa import SmtSaConfig

C = TypeVar("C", bound=Config)

SIZES = (2, 4, 8, 16, 32, 64)
SPARQ_SIZES = (8, 16)
SMT_SA_SIZES = (4, 8, 16)
ACCELERATOR_SIZES = (2, 4, 8, 16)


def _family(prefix: str, threads: int) -> dict[str, ArrayConfig]:
    return {f"{prefix}{n}": ArrayConfig(rows=n, cols=n, pe=PEConfig(threads=threads)) for n in SIZES}


ARRAYS: dict[str, ArrayConfig] = (
    _family("os", 1)
    | _family("sysmt2_", 2)
    | _family("sysmt4_", 4)
    # What an ECP5-25F holds, of about as many PEs the one that runs small networks fastest.
    | {"sysmt2_5x8": ArrayConfig(rows=5, cols=8, pe=PEConfig(threads=2))}
    # The same of an iCE40HX8K, and of a GW1NR-9, whose multipliers take as many PEs of one thread.
    | {"sysmt2_3x2": ArrayConfig(rows=3, cols=2, pe=PEConfig(threads=2))}
    | {"os6x2": ArrayConfig(rows=6, cols=2)}
    | {
        f"{name}_{n}": ArrayConfig(rows=n, cols=n, pe=SparqConfig(pairs=pairs))
        for name, pairs in (("sparq", 1), ("sparq2", 2))
        for n in SPARQ_SIZES
    }
)

SMT_SA: dict[str, SmtSaConfig] = {
    f"smtsa{threads}_{n}": SmtSaConfig(rows=n, cols=n, threads=threads) for threads in (2, 4) for n in SMT_SA_SIZES
}

CACHES: dict[str, CacheConfig] = {
    # The reference configuration of the paper: 16 KB, 4 ways, 32 B lines, 1 KB null cache, memory 100 cycles away.
    "galileo": CacheConfig(),
    # Small enough for every board and for synthesis in a second.
    "tiny": CacheConfig(size=1024, ways=2, line=16, write_buffer=2, null=NullCacheConfig(entries=8)),
}

TCAMS: dict[str, TCAMConfig] = {
    # One search per cycle, in flip-flops and in FPGA memory.
    "tcam32": TCAMConfig(latency=2),
    "tcam32_memory": TCAMConfig(memory=True),
}

ACCELERATORS: dict[str, AccelConfig] = {
    f"accel_{name}": accel_config(array.with_fields(target="fpga"))
    for name, array in ARRAYS.items()
    if array.rows in ACCELERATOR_SIZES
}

ENGINES: dict[str, EngineConfig] = {
    f"engine_{name}": engine_config(array.with_fields(target="fpga"))
    for name, array in ARRAYS.items()
    if array.rows in ACCELERATOR_SIZES
}

DEFAULT_ARRAY = "sysmt2_8"
"""The array where none is named."""

PRESETS: dict[str, Config] = {**ARRAYS, **SMT_SA, **CACHES, **TCAMS, **ACCELERATORS, **ENGINES}


@overload
def preset(name: str, /, **changes: Any) -> Config: ...
@overload
def preset(name: str, of: type[C], /, **changes: Any) -> C: ...
def preset(name: str, of: type[Any] = Config, /, **changes: Any) -> Config:
    """The configuration called `name`, with `changes` as `Config.with_fields` takes them.

    Parameters
    ----------
    name : str
    of : subclass of Config
        What is wanted: `ArrayConfig`, `SmtSaConfig`, `CacheConfig`, `TCAMConfig`, `AccelConfig`, `EngineConfig`;
        by default any.

    Raises
    ------
    ConfigError
        None is called so; the message names the nearest one.
    """
    known = {name: config for name, config in PRESETS.items() if isinstance(config, of)}
    found: Config = choose("preset", name, known, ConfigError).with_fields(**changes)
    return found
