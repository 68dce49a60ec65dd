# SPDX-License-Identifier: Apache-2.0
"""The figures of a run, and how they compare with those of the last recorded one (`bench/record.json`)."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sysmt.base.files import write_together

RECORD = Path(__file__).with_name("record.json")


@dataclass(frozen=True)
class Claim:
    """A column that the project claims something about.

    Members
    -------
    more : bool
        More is better.
    noise : float
        Relative change that says nothing: times vary with the machine, sums of cells do not.
    """

    more: bool
    noise: float = 0.002


_LESS, _MORE = Claim(more=False), Claim(more=True)

CLAIMS: dict[str, dict[str, Claim]] = {
    "throughput": {"MAC/cycle": _MORE, "speed-up": _MORE},
    "area": {"um2": _LESS, "ratio": _LESS},
    "silicon": {"ours": _LESS},
    "merging": {"faster": Claim(more=True, noise=0.3)},
    "emission": {"to 8x8 shared": Claim(more=False, noise=0.3)},
    "golden": {"ratio": Claim(more=False, noise=0.3)},
    "nullcache": {"misses saved %": _MORE, "time saved %": _MORE, "entries": _LESS},
    "tcam": {"um2": _LESS, "MHz": Claim(more=True, noise=0.05)},
    "link": {"busy %": _MORE, "cycles/s": Claim(more=True, noise=0.3)},
    "frequency": {"MHz": Claim(more=True, noise=0.05)},
    "boards": {"MHz": Claim(more=True, noise=0.05)},
    "accuracy": {"accuracy": _MORE, "top1": _MORE, "speedup": _MORE},
}
"""Per measurement its columns; of the silicon comparison, ratios that should be large are told by their names."""


def figures(name: str, facts: Any) -> dict[str, float]:
    """The claimed figures in what a measurement printed as JSON, by what they are of."""
    found: dict[str, float] = {}
    _collect(CLAIMS.get(name, {}), facts, "", found)
    return found


def _collect(claims: dict[str, Claim], facts: Any, path: str, found: dict[str, float]) -> None:
    if isinstance(facts, list):
        for item in facts:
            _collect(claims, item, path, found)
    elif isinstance(facts, dict):
        own = [str(v) for k, v in facts.items() if k not in claims and _is_label(k, v)]
        label = " ".join([path, *own]).strip()
        for key, value in facts.items():
            if isinstance(value, (int, float)) and not isinstance(value, bool) and key in claims:
                found[f"{label}: {key}".removeprefix(": ")] = float(value)
            elif isinstance(value, (dict, list)):
                _collect(claims, value, f"{path} {key}".strip() if key != "rows" else path, found)


def _is_label(key: str, value: Any) -> bool:
    """What names a row: texts, and numbers that are settings and no measurement."""
    return isinstance(value, str) and key not in ("bar", "met", "published") or key in ("threads", "K", "lines")


def load() -> dict[str, dict[str, float]]:
    """The last recorded run, by measurement."""
    return json.loads(RECORD.read_text())["figures"] if RECORD.exists() else {}


def save(found: dict[str, dict[str, float]]) -> None:
    """Record a run; measurements that it left out keep what was recorded before."""
    kept = load() | found
    text = json.dumps({"figures": {name: kept[name] for name in sorted(kept)}}, indent=2) + "\n"
    write_together(RECORD.parent, {RECORD.name: text})


def compared(name: str, now: dict[str, float], before: dict[str, float]) -> list[dict[str, Any]]:
    """A row per figure of this run: `now`, `recorded`, `change` in percent, and `is` better, worse, same or new."""
    rows = []
    for label, value in now.items():
        claim = CLAIMS[name][label.rpartition(": ")[2]]
        old = before.get(label)
        change = (value - old) / abs(old) if old else None
        more = claim.more or name == "silicon" and label.startswith(("throughput", "clock"))
        if change is None:
            state = "new" if old is None else "same"
        elif abs(change) <= claim.noise:
            state = "same"
        else:
            state = "better" if (change > 0) == more else "WORSE"
        rows.append(
            {
                "figure": label,
                "now": value,
                "recorded": "-" if old is None else f"{old:.4g}",
                "change": "-" if change is None else f"{100 * change:+.1f} %",
                "is": state,
            }
        )
    return rows
