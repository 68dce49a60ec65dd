# SPDX-License-Identifier: Apache-2.0
"""What was synthesised: the data that the model of silicon is fitted to, written by `python -m bench.estimate`.

A sample is a configuration, by the fields in which it differs from the defaults of its class, and what was measured of
it on a target.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.array import ArrayConfig
from sysmt.hdl.params.engine import EngineConfig

from .components import Built

FILE = Path(__file__).with_name("samples.json")

CLASSES: dict[str, type[ArrayConfig] | type[AccelConfig] | type[EngineConfig]] = {
    "array": ArrayConfig,
    "accelerator": AccelConfig,
    "engine": EngineConfig,
}
"""What can be a sample, by its name in the file."""


@dataclass(frozen=True)
class Sample:
    """One synthesised configuration.

    Members
    -------
    target : str
        Of `sysmt.sim.cost.silicon.TARGETS`.
    design : str
        Key of `CLASSES`.
    fields : dict
        Fields that differ from the defaults of the class, nested configurations as dictionaries.
    measured : dict
        Figures by name: `area`, `flip_flops`, `mhz`, `femtojoules`, `luts`, `dsps`, `rams`, as far as measured;
        `blocks`, area per block; `tools`, what they were measured with; `placed`, the resources are those of a
        placement, not of a netlist.
    """

    target: str
    design: str
    fields: dict[str, Any]
    measured: dict[str, Any]

    @cached_property
    def config(self) -> Built:
        """The configuration."""
        return CLASSES[self.design]().with_fields(**self.fields)

    @property
    def key(self) -> str:
        """What no other sample has."""
        return json.dumps([self.target, self.design, self.fields, self.placed], sort_keys=True)

    @property
    def placed(self) -> bool:
        """Whether resources are those of a placement."""
        return bool(self.measured.get("placed", False))


def sample_of(target: str, config: Built, measured: Mapping[str, Any]) -> Sample:
    """The sample of a configuration."""
    design = next(name for name, made in CLASSES.items() if type(config) is made)
    return Sample(target, design, _changes(CLASSES[design]().as_dict(), config.as_dict()), dict(measured))


def _changes(default: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields that are not as by default."""
    found: dict[str, Any] = {}
    for name, value in fields.items():
        before = default.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            if changes := _changes(before, value):
                found[name] = changes
        elif name not in default or value != before:
            found[name] = value
    return found


def load(file: Path = FILE) -> tuple[Sample, ...]:
    """All samples of a file, in its order."""
    return tuple(Sample(**row) for row in json.loads(file.read_text()))


def text(samples: Iterable[Sample]) -> str:
    """Samples as the file holds them: a line each, sorted."""
    rows = sorted(samples, key=lambda sample: sample.key)
    names = ("target", "design", "fields", "measured")
    lines = [json.dumps({name: getattr(row, name) for name in names}) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n"
