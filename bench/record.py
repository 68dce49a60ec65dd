# SPDX-License-Identifier: Apache-2.0
"""The figures of a run, and how they compare with those of the last recorded one (`bench/record.json`).

Every measurement declares which columns say what a row is of, its key, and which columns the project claims something
about. A figure is compared with the recorded one of the same key: nothing that was measured is part of a key.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.base.files import write_together

RECORD = Path(__file__).with_name("record.json")

Key = dict[str, Any]
"""What a row is of: column -> value."""


@dataclass(frozen=True)
class Claim:
    """A column that the project claims something about.

    Members
    -------
    more : bool
        More is better.
    noise : float
        Relative change that says nothing: times vary with the machine, sums of cells do not.
    more_of : tuple of str
        Beginnings of the row's first key for which more is better all the same.
    """

    more: bool
    noise: float = 0.002
    more_of: tuple[str, ...] = ()

    def state(self, now: float, recorded: float, key: Key) -> str:
        """Whether a figure is "better" than the recorded one, "WORSE" or the "same"."""
        change = now - recorded
        if abs(change) <= self.noise * abs(recorded):
            return "same"
        more = self.more or str(next(iter(key.values()))).startswith(self.more_of or ("\0",))
        return "better" if (change > 0) == more else "WORSE"


@dataclass(frozen=True)
class Measurement:
    """A measurement: the keys of its rows, of which a row has the first whose columns are all there, and its claims."""

    keys: tuple[tuple[str, ...], ...]
    claims: dict[str, Claim]


@dataclass(frozen=True)
class Figure:
    """One claimed number."""

    key: Key
    column: str
    value: float

    @property
    def label(self) -> str:
        """For people."""
        return f"{' '.join(map(str, self.key.values()))}: {self.column}"


_LESS, _MORE = Claim(more=False), Claim(more=True)

MEASUREMENTS: dict[str, Measurement] = {
    "throughput": Measurement((("array", "K"),), {"MAC/cycle": _MORE, "speed-up": _MORE}),
    "area": Measurement((("array", "with"),), {"um2": _LESS, "ratio": _LESS}),
    "silicon": Measurement((("figure", "array", "on"),), {"ours": Claim(more=False, more_of=("throughput", "clock,"))}),
    "merging": Measurement((("array",),), {"faster": Claim(more=True, noise=0.3)}),
    "emission": Measurement((("array", "way"),), {"to 8x8 shared": Claim(more=False, noise=0.3)}),
    "golden": Measurement((("threads", "policy"),), {"ratio": Claim(more=False, noise=0.3)}),
    "nullcache": Measurement(
        (
            *(("assumption", "network", "loops"), ("network", "loops"), ("zero region",)),
            *(("reading", "order"), ("threshold",), ("assumption", "null cache", "bar")),
        ),
        {
            "misses saved %": _MORE,
            "time saved %": _MORE,
            "energy saved %": _MORE,
            "paper: misses %": _MORE,
            "paper: time %": _MORE,
            "beyond double": _MORE,
            "top1 %": _MORE,
            "found": _MORE,
            "entries": _LESS,
        },
    ),
    "tcam": Measurement(
        (("design",), ("null cache",), ("TCAM", "on")), {"um2": _LESS, "MHz": Claim(more=True, noise=0.05)}
    ),
    "link": Measurement((("board",),), {"busy %": _MORE, "cycles/s": Claim(more=True, noise=0.3)}),
    "uart": Measurement(
        (("clocks per bit",),),
        {
            **{f"{way} gates, {side} %": _MORE for side in ("faster", "slower") for way in ("to", "from")},
            **dict.fromkeys(("lost after noise, mean", "lost after noise, most"), _LESS),
        },
    ),
    "bus": Measurement(
        (("accelerator", "bits"), ("front end", "bits")),
        {"busy %": _MORE, "beyond UART": Claim(more=False, noise=0.02)},
    ),
    "engine": Measurement(
        (("network", "engine"),),
        {"cycles": _LESS, "MAC/cycle": _MORE, "utilisation": _MORE, "of array cycles": _LESS},
    ),
    "litex": Measurement(
        (("network", "bus"), ("product", "bus")),
        {**dict.fromkeys(("devices", "processor"), _LESS), **dict.fromkeys(("ratio", "engine alone"), _MORE)},
    ),
    "engine_area": Measurement((("engine", "part"), ("engine",)), {"engine um2": _LESS, "um2": _LESS, "ratio": _LESS}),
    "engine_energy": Measurement(
        (("engine", "of", "part"), ("engine",)),
        {
            **dict.fromkeys(("cycles", "uJ", "array uJ", "around uJ", "memories uJ", "ratio"), _LESS),
            **dict.fromkeys(("pJ/cycle", "share"), _LESS),
        },
    ),
    "estimate": Measurement(
        (("target", "figure", "fitted to"),),
        {"predicted": _MORE, "median %": Claim(more=False, noise=0.05), "worst %": Claim(more=False, noise=0.05)},
    ),
    "budget": Measurement((("network", "engine"),), {"cycles": _LESS, "top1": _MORE, "drop": _LESS}),
    "frequency": Measurement((("array", "part"),), {"MHz": Claim(more=True, noise=0.05)}),
    "boards": Measurement((("board", "part", "preset"),), {"MHz": Claim(more=True, noise=0.05)}),
    "training": Measurement(
        (("network", "training"), ("network", "first phase", "bits")),
        {
            **dict.fromkeys(
                ("real", "int8", "untouched", "recalibrated", "one thread", "array", "adapted", "stc"), _MORE
            ),
            "drop": _LESS,
            "speedup": _MORE,
            "top1": _MORE,
        },
    ),
    "adaptation": Measurement(
        (("network", "PE"),),
        {
            **dict.fromkeys(("top1_exact", "top1", "speedup", "speedup of one"), _MORE),
            **dict.fromkeys(("drop", "both views", "output_error"), _LESS),
        },
    ),
    "families": Measurement((("set",),), dict.fromkeys(("families", "run", "share"), _MORE)),
    "zeros": Measurement(
        (("network", "method", "point"), ("network", "method")),
        {
            "loss": _LESS,
            "macs saved": _MORE,
            "cycles saved": _MORE,
            "top1": _MORE,
            "zeros": _MORE,
            "top1 exact": _MORE,
        },
    ),
    "kinds": Measurement(
        (("kind", "with"),),
        {
            **dict.fromkeys(("um2", "fJ/MAC", "resnet8 cycles", "dscnn cycles"), _LESS),
            **dict.fromkeys(("resnet8 top1", "resnet8 agree", "dscnn top1", "dscnn agree"), _MORE),
            "MHz": Claim(more=True, noise=0.01),
        },
    ),
    "schedule": Measurement(
        (("layer",), ("network",), ("workload",), ("accelerator", "product")),
        {
            "energy": _LESS,
            "CPU ms": Claim(more=False, noise=0.5),
            "CPU s": Claim(more=False, noise=0.5),
            "gain": _MORE,
            "one register file": _MORE,
            "best layer": _MORE,
            "bytes": _LESS,
            "share": _LESS,
        },
    ),
    "second_opinion": Measurement(
        (("layer",),),
        {
            **dict.fromkeys(("ours, our rules", "ours, their rules"), _LESS),
            **dict.fromkeys(("theirs, our rules", "theirs, their rules"), Claim(more=True)),
            "faster": Claim(more=True, noise=0.5),
        },
    ),
    "signatures": Measurement(
        (("signature", "networks"),), {"R2": _MORE, "R2 median": _MORE, "error": _LESS, "within 95 %": _MORE}
    ),
    "explore": Measurement(
        (("network", "target", "configurations"), ("network", "target", "on the front")),
        {
            "CPU s": Claim(more=False, noise=0.5),
            **dict.fromkeys(("um2", "um2 predicted", "um2 error %"), Claim(more=False, noise=0.02)),
            **dict.fromkeys(("MHz", "MHz predicted"), Claim(more=True, noise=0.05)),
            "MHz error %": Claim(more=False, noise=0.05),
        },
    ),
    "choices": Measurement((("board", "network", "array"),), {**dict.fromkeys(("us", "LUT"), _LESS), "faster": _MORE}),
    "clusters": Measurement(
        (("array", "with", "cluster", "products"),),
        {"um2": _LESS, "fJ/MAC": _LESS, "MHz": Claim(more=True, noise=0.01)},
    ),
    "pe_stages": Measurement((("stage",),), {"1T": _LESS, "2T": _LESS, "4T": _LESS}),
    "windows": Measurement(
        (("layer",), ("array", "with", "products")),
        {**dict.fromkeys(("plain", "signed", "um2"), _LESS), "MHz": Claim(more=True, noise=0.01)},
    ),
    "sparq_luts": Measurement(
        (("accelerator", "with", "products"),), dict.fromkeys(("LUTs", "array"), Claim(more=False, noise=0.02))
    ),
    "sparse_engine": Measurement((("engine", "with"),), {"cycles": _LESS, "bytes of weights": _LESS}),
    "packed": Measurement((("bits", "group"),), {"points": _MORE, "area": _LESS, "at most": _MORE}),
    "accuracy": Measurement((("model", "threads", "policy"),), {"accuracy": _MORE, "top1": _MORE, "speedup": _MORE}),
}
"""Those with claims. The silicon comparison has its figure in the key: of some of them more is better."""


def figures(name: str, facts: Any) -> list[Figure]:
    """The claimed figures in what the measurement `name` printed as JSON.

    Raises
    ------
    ValueError
        A row has a claimed column and no declared key, or the key of another row.
    """
    if name not in MEASUREMENTS:
        return []
    collected: list[Figure] = []
    for row in _rows(facts):
        columns = [column for column in MEASUREMENTS[name].claims if isinstance(row.get(column), (int, float))]
        if columns:
            key = _key(name, row)
            if any(figure.key == key for figure in collected):
                raise ValueError(f"rows of {name} must differ in their keys, not share {key}")
            collected += [Figure(key, column, float(row[column])) for column in columns]
    return collected


def _rows(facts: Any) -> Iterator[dict[str, Any]]:
    """Every dict in what JSON holds."""
    if isinstance(facts, dict):
        yield facts
    for inner in facts.values() if isinstance(facts, dict) else facts if isinstance(facts, list) else ():
        yield from _rows(inner)


def _key(name: str, row: dict[str, Any]) -> Key:
    for columns in MEASUREMENTS[name].keys:
        if all(column in row for column in columns):
            return {column: row[column] for column in columns}
    raise ValueError(f"a row of {name} must have the columns of one of {MEASUREMENTS[name].keys}, not {tuple(row)}")


def load() -> dict[str, list[Figure]]:
    """The last recorded run, by measurement."""
    recorded = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return {
        name: [Figure(row["key"], column, value) for row in rows for column, value in row["figures"].items()]
        for name, rows in recorded.items()
    }


def tables(name: str) -> str:
    """What was last recorded of a measurement, as tables of Markdown: one for every kind of key.

    Raises
    ------
    UserError
        Nothing was recorded.
    """
    kept = load().get(name, [])
    if not kept:
        raise UserError(f"{name} must be recorded first: python -m bench {name} --record")
    parts: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in _as_rows(kept):
        parts.setdefault(tuple(row["key"]), []).append(row)
    lines: list[str] = []
    for titles, rows in parts.items():
        columns = list(dict.fromkeys(column for row in rows for column in row["figures"]))
        lines += ["", f"| {' | '.join((*titles, *columns))} |", f"|{' --- |' * len(titles)}{' ---: |' * len(columns)}"]
        for row in rows:
            cells = [f"{row['figures'][column]:,.5g}" if column in row["figures"] else "-" for column in columns]
            lines.append(f"| {' | '.join((*map(str, row['key'].values()), *cells))} |")
    return "\n".join(lines[1:])


def save(run: dict[str, list[Figure]]) -> None:
    """Record a run; measurements that it left out keep what was recorded before."""
    merged = load() | run
    text = json.dumps({name: _as_rows(merged[name]) for name in sorted(merged)}, indent=2) + "\n"
    write_together(RECORD.parent, {RECORD.name: text})


def _as_rows(numbers: list[Figure]) -> list[dict[str, Any]]:
    """Figures of the same key together."""
    rows: list[dict[str, Any]] = []
    for figure in numbers:
        row = next((row for row in rows if row["key"] == figure.key), None)
        if row is None:
            rows.append(row := {"key": figure.key, "figures": {}})
        row["figures"][figure.column] = figure.value
    return rows


def compared(name: str, now: list[Figure], before: list[Figure]) -> list[dict[str, Any]]:
    """A row per figure of this run: `now`, `recorded`, `change` in percent, and `is` better, worse, same or new."""
    rows = []
    for figure in now:
        recorded = next((f.value for f in before if (f.key, f.column) == (figure.key, figure.column)), None)
        state = "new"
        if recorded is not None:
            state = MEASUREMENTS[name].claims[figure.column].state(figure.value, recorded, figure.key)
        change = f"{100 * (figure.value - recorded) / abs(recorded):+.1f} %" if recorded else "-"
        shown = "-" if recorded is None else f"{recorded:.4g}"
        rows.append({"figure": figure.label, "now": figure.value, "recorded": shown, "change": change, "is": state})
    return rows
