# SPDX-License-Identifier: Apache-2.0
"""Tables of latencies and of the layers of networks, as the authors of the cost models publish them (IISWC 2020)."""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from sysmt.base.errors import UserError

KINDS = 5
"""Columns that say of which kind a layer is, one of them 1."""
LAYER = 13
"""Columns per layer; the last are its multiply-accumulates."""


@dataclass(frozen=True, eq=False)
class Latencies:
    """Milliseconds of every network on every device.

    Parameters
    ----------
    milliseconds : float [networks, devices]
        Above 0, or NaN where nothing was measured.
    networks, devices : tuples of str
        Names, in the order of the table. Neighbours in it are alike: the networks of a family, measured together.
    """

    milliseconds: np.ndarray
    networks: tuple[str, ...]
    devices: tuple[str, ...]

    def on(self, devices: np.ndarray) -> "Latencies":
        """The same of some devices, by their places."""
        return Latencies(self.milliseconds[:, devices], self.networks, tuple(self.devices[int(d)] for d in devices))

    def where(self, seen: np.ndarray) -> "Latencies":
        """The same measured only where `seen`, bool [networks, devices], says so."""
        return Latencies(np.where(seen, self.milliseconds, np.nan), self.networks, self.devices)

    @cached_property
    def logs(self) -> np.ndarray:
        """Natural logarithms: devices differ by factors."""
        logs: np.ndarray = np.log(self.milliseconds)
        return logs


def read_latencies(path: str | Path) -> Latencies:
    """A table: a column of networks, then one per device under its name; an empty cell was not measured.

    Raises
    ------
    UserError
        The file cannot be read, a row of another length, a number that is none or not above 0; it is named.
    """
    rows = _rows(path)
    head, *body = rows
    values = []
    for number, row in enumerate(body, 2):
        if len(row) != len(head):
            raise UserError(f"latencies {str(path)!r} must have {len(head)} columns in row {number}, not {len(row)}")
        try:
            values.append([float(cell) if cell.strip() else np.nan for cell in row[1:]])
            if not all(np.isfinite(float(cell)) for cell in row[1:] if cell.strip()):
                raise ValueError("a number that is not finite; leave a cell empty that was not measured")
        except ValueError as error:
            raise UserError(f"latencies {str(path)!r} must be numbers in row {number}: {error}") from error
    table = np.array(values)
    if not values or table.shape[1] < 1 or not (np.isnan(table) | (table > 0)).all():
        raise UserError(f"latencies {str(path)!r} must be above 0, of a network and a device at least")
    return Latencies(table, tuple(row[0] for row in body), tuple(head[1:]))


def read_features(path: str | Path) -> np.ndarray:
    """What networks are made of: float [networks, features], standardised.

    Log of the multiply-accumulates per kind of layer, and of the number of layers: enough to tell which networks behave
    alike.
    """
    features = []
    for number, row in enumerate(_rows(path), 1):
        cells = [cell for cell in row if cell.strip()]
        if not cells or len(cells) % LAYER:
            raise UserError(
                f"layers {str(path)!r} must have {LAYER} columns per layer in row {number}, not {len(cells)} in all"
            )
        layers = np.array(cells, np.float64).reshape(-1, LAYER)
        work = layers[:, :KINDS].T @ layers[:, -1]
        features.append([*np.log(1000 + work), np.log(len(layers) * LAYER)])
    table = np.array(features)
    scale: np.ndarray = table.std(0)
    standard: np.ndarray = (table - table.mean(0)) / np.where(scale > 0, scale, 1)
    return standard


def _rows(path: str | Path) -> list[list[str]]:
    try:
        with open(path, newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"table {str(path)!r} cannot be read: {error}; give a .csv file") from error
    if not rows:
        raise UserError(f"table {str(path)!r} must have rows, and has none")
    return rows
