# SPDX-License-Identifier: Apache-2.0
"""`sysmt cache`: what a cache, with or without null cache, does with a trace."""

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np

from sysmt.base.errors import UserError
from sysmt.base.files import write_together
from sysmt.cli.arguments import output_file
from sysmt.cli.output import Handler, Result, progress
from sysmt.hdl.params.cache import ON_STORE, REPLACEMENTS, CacheConfig
from sysmt.hdl.params.presets import CACHES, preset
from sysmt.sim.nullcache.traces.trace import Trace

RTL_LIMIT = 200_000


def _bytes(text: str) -> int:
    """Read a size: 16384, 16K or 1M."""
    scale = {"K": 1 << 10, "M": 1 << 20}.get(text[-1:].upper(), 1)
    digits = text if scale == 1 else text[:-1]
    if not digits.isdecimal():
        raise UserError(f"size must be a number of bytes such as 16384, 16K or 1M, not {text!r}")
    return int(digits) * scale


def _config(args: argparse.Namespace) -> CacheConfig:
    given = {"entries": args.null_entries, "approx": args.approx, "replacement": args.replacement}
    given |= {"on_store": args.on_store, "admit": args.admit}
    changes = {name: value for name, value in given.items() if value is not None}
    if args.null_cache == "off" and changes:
        raise UserError(f"null-cache must be on to set {', '.join(changes)}, not off")
    own = {"ways": args.ways, "line": args.line, "memory_cycles": args.memory_cycles}
    own["size"] = None if args.size is None else _bytes(args.size)
    return preset(
        args.preset,
        CacheConfig,
        null=None if args.null_cache == "off" else changes,
        **{name: value for name, value in own.items() if value is not None},
    )


def _run(args: argparse.Namespace) -> Result:
    config = _config(args)
    output = None if args.output is None else output_file(args.output)
    trace = Trace.load(args.trace)
    if args.on == "rtl":
        loads, facts = _rtl(trace, config)
    else:
        from sysmt.sim.nullcache.model import simulate

        outcome = simulate(trace, config)
        loads, facts = outcome.loads, outcome.as_dict()
    if output is not None:
        stream = io.BytesIO()
        np.save(stream, loads)
        write_together(output.parent, {output.name: stream.getvalue()})
    facts |= {"on": args.on, "config": config.as_dict()}
    shown = {name: value for name, value in facts.items() if not isinstance(value, (dict, list))}
    return Result("\n".join(f"{name:18} {value}" for name, value in shown.items()), facts)


def _rtl(trace: Trace, config: CacheConfig) -> tuple[np.ndarray, dict[str, Any]]:
    if len(trace) > RTL_LIMIT:
        wanted = f"trace must have at most {RTL_LIMIT} accesses for --on rtl, not {len(trace)}"
        raise UserError(f"{wanted}: make a shorter one with sysmt trace --layer or --limit")
    from sysmt.sim.cosim.cache import simulate_rtl

    progress("compiling and simulating the Verilog")
    run = simulate_rtl(trace, config)
    rate = run.counters["misses"] / max(1, run.counters["accesses"])
    return run.loads, run.counters | {"miss_rate": rate, "cycles": run.cycles}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", type=Path, metavar="TRACE.npz", help="what sysmt trace writes")
    parser.add_argument("--preset", default="galileo", help=f"one of {', '.join(CACHES)} (default galileo)")
    parser.add_argument("--null-cache", choices=("on", "off"), default="on", help="off: a plain cache")
    parser.add_argument("--size", help="bytes of data, such as 16K")
    parser.add_argument("--ways", type=int, help="ways")
    parser.add_argument("--line", type=int, help="bytes of a line")
    parser.add_argument("--memory-cycles", type=int, help="cycles until memory has answered")
    parser.add_argument("--null-entries", type=int, help="entries of the null cache")
    parser.add_argument("--approx", type=int, help="largest magnitude of a byte that counts as zero")
    parser.add_argument("--replacement", choices=REPLACEMENTS, help="who leaves a full null cache")
    parser.add_argument("--on-store", choices=ON_STORE, help="what a non-zero store does to an entry")
    parser.add_argument(
        "--admit", type=int, help="0: cache waits for insertions; N: never, and every Nth that finds no room makes some"
    )
    parser.add_argument(
        "--on", choices=("golden", "rtl"), default="golden", help="the golden model, or the Verilog, simulated"
    )
    parser.add_argument("-o", "--output", metavar="LOADS.npy", help="write the loaded values, uint32")


CACHE = Handler(_arguments, _run)
