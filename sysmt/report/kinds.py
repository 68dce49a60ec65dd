# SPDX-License-Identifier: Apache-2.0
"""Kinds of PE beside each other, from what `python -m bench kinds --record` kept: ratios, and the Pareto front."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.pe import kinds
from sysmt.hdl.params.presets import preset
from sysmt.hdl.params.settings import parse_settings

BASE = "os16"
"""The one-thread array; the others are it with other PEs."""

RECORD = Path(__file__).resolve().parents[2] / "bench" / "record.json"
"""Where the record lies in a checkout; it is no part of an installed package."""

MEASUREMENT = "kinds"
COMMAND = f"python -m bench {MEASUREMENT} --record"

NETWORKS = ("resnet8", "dscnn")
JUDGED = NETWORKS[0]
"""The network whose top-1 counts for the front."""

CRITERIA = {"throughput_per_area": True, "energy": False, "change": True}
"""What the front is of, and whether more is better: all ratios to one thread, and points of top-1 of `JUDGED`."""


def config_of(kind: str, fields: str) -> ArrayConfig:
    """The array whose PEs have these fields: `field=value`, separated by spaces."""
    base = preset(BASE, ArrayConfig)
    return base.with_fields(**parse_settings(base, [f"kind={kind}", *fields.split()]))


def gather_kinds(record: Path = RECORD) -> dict[str, Any]:
    """What is recorded, and what follows from it.

    Parameters
    ----------
    record : Path
        A record of `bench`.

    Returns
    -------
    dict
        `rows`, the first one of one thread: `kind`, `with` (fields), `products` a step, `um2`, `mhz`, `fj` per MAC and
        their ratios to one thread, `area`, `clock` and `energy`; `throughput_per_area`, products a step over area
        (of SMT-SA, whose threads wait: its speed-up on `JUDGED`);
        `networks`, by name `top1`, `change` (points to one thread), `agree`, `cycles`, `speedup`; `front`, whether no
        other row is better in one criterion and as good in all; `commands`. None where nothing was measured.

    Raises
    ------
    UserError
        There is no such record, or it holds no kinds.
    """
    recorded = _read(record)
    found = [row["key"] | row["figures"] for row in recorded]
    rows = [_row(figures, found[0]) for figures in found]
    for row in rows:
        row["front"] = on_front(row, rows, CRITERIA)
    return {"generator": f"sysmt {version('sysmt')}", "base": BASE, "recorded_by": COMMAND, "rows": rows}


def _read(record: Path) -> list[dict[str, Any]]:
    try:
        recorded = json.loads(record.read_text())[MEASUREMENT]
        rows: list[dict[str, Any]] = [{"key": dict(r["key"]), "figures": dict(r["figures"])} for r in recorded]
    except OSError as error:
        raise UserError(
            f"record {record} cannot be read ({error.strerror}): name that of a checkout with --record FILE"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise UserError(f"record {record} holds no kinds of PE: make one with `{COMMAND}`") from None
    if not rows:
        raise UserError(f"record {record} holds no kinds of PE: make one with `{COMMAND}`")
    return rows


def _row(found: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    kind, fields = found["kind"], found["with"]
    products = config_of(kind, fields).pe.products if kind in kinds() else None
    area = _ratio(found.get("um2"), base.get("um2"))
    networks = {name: _network(name, found, base) for name in NETWORKS if f"{name} top1" in found}
    throughput = products or (networks[JUDGED]["speedup"] if JUDGED in networks else None)
    return {
        "kind": kind,
        "with": fields,
        "products": products,
        "um2": found.get("um2"),
        "mhz": found.get("MHz"),
        "fj": found.get("fJ/MAC"),
        "area": area,
        "clock": _ratio(found.get("MHz"), base.get("MHz")),
        "energy": _ratio(found.get("fJ/MAC"), base.get("fJ/MAC")),
        "throughput_per_area": throughput / area if throughput and area else None,
        "change": networks[JUDGED]["change"] if JUDGED in networks else None,
        "networks": networks,
        "commands": _commands(kind, fields),
    }


def _network(name: str, found: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    top1, cycles = found[f"{name} top1"], found[f"{name} cycles"]
    return {
        "top1": top1,
        "change": round(100 * (top1 - base[f"{name} top1"]), 6),
        "agree": found[f"{name} agree"],
        "cycles": cycles,
        "speedup": base[f"{name} cycles"] / cycles,
    }


def _ratio(own: float | None, other: float | None) -> float | None:
    return own / other if own and other else None


def _commands(kind: str, fields: str) -> list[str]:
    """What shows the figures of a row one by one."""
    if kind not in kinds():
        size, threads, queue = preset(BASE, ArrayConfig).rows, *(text.partition("=")[2] for text in fields.split())
        options = "".join(f" --{name} {value}" for name, _, value in (text.partition("=") for text in fields.split()))
        return [
            f"sysmt synth smtsa{threads}_{size} --target sky130hd_tt.lib.gz --energy {JUDGED} --set queue={queue}",
            f"sysmt infer MODEL INPUTS.npz --pe {kind}{options}",
        ]
    chosen = "".join(f" --set {text}" for text in (f"kind={kind}", *fields.split()))
    return [
        f"sysmt synth {BASE} --target sky130hd_tt.lib.gz --energy {JUDGED}{chosen}",
        f"sysmt infer MODEL INPUTS.npz --preset {BASE}{chosen}",
    ]


def on_front(row: dict[str, Any], rows: list[dict[str, Any]], criteria: dict[str, bool]) -> bool:
    """Whether no other row is as good in all criteria and better in one; a row that lacks one is not on the front."""

    def values(of: dict[str, Any]) -> list[float] | None:
        found = [of[name] if more or of[name] is None else -of[name] for name, more in criteria.items()]
        return None if None in found else found

    own = values(row)
    if own is None:
        return False
    others = [found for found in map(values, rows) if found is not None]
    return not any(all(a >= b for a, b in zip(o, own, strict=True)) and o != own for o in others)
