# SPDX-License-Identifier: Apache-2.0
"""Refusals of what no latency can be predicted from: gaps in a table, places that are no networks, no latencies."""

from collections.abc import Sequence

import numpy as np

from sysmt.base.errors import UserError

from .table import Latencies


def check_complete(known: Latencies) -> None:
    """Refuse a table in which a network was not measured on a device."""
    gaps = int(np.isnan(known.milliseconds).sum())
    if gaps:
        raise UserError(
            f"latencies must be measured for every network on every device, and {gaps} are missing: take SharedModel"
        )


def check_measured(known: Latencies) -> None:
    """Refuse a table with a device that was measured on no network."""
    for device, some in zip(known.devices, ~np.isnan(known.milliseconds).all(0), strict=True):
        if not some:
            raise UserError(f"latencies of device {device!r} must have one measurement at least: leave the device out")


def check_signature(signature: Sequence[int], networks: int) -> list[int]:
    """The places of a signature's networks as plain numbers."""
    places = np.asarray(signature)
    whole = places.ndim == 1 and places.size > 0 and np.issubdtype(places.dtype, np.integer)
    if not whole or places.min() < 0 or places.max() >= networks or len(set(places.tolist())) < len(places):
        raise UserError(
            f"signature must be places of networks, each once, whole numbers of 0 to {networks - 1}, not {signature!r}"
        )
    return [int(place) for place in places]


def check_size(size: int, networks: int) -> None:
    """Refuse a number of networks that a signature cannot have."""
    if isinstance(size, bool) or not isinstance(size, (int, np.integer)) or not 1 <= size <= networks:
        raise UserError(f"size of a signature must be a whole number of 1 to {networks} networks, not {size!r}")


def measured_logs(milliseconds: np.ndarray, signature: Sequence[int]) -> np.ndarray:
    """Logarithms of what was measured: of every network of the signature, on some devices."""
    try:
        table = np.asarray(milliseconds, np.float64)
    except (TypeError, ValueError):
        table = np.zeros(0)
    if table.ndim != 2 or len(table) != len(signature):
        raise UserError(
            f"milliseconds must be numbers [networks of the signature, devices], {len(signature)} rows, "
            f"not of shape {np.shape(milliseconds)}"
        )
    if not (np.isfinite(table) & (table > 0)).all():
        raise UserError("milliseconds must be above 0 and finite: every network of the signature must be measured")
    logs: np.ndarray = np.log(table)
    return logs
