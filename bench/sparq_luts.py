# SPDX-License-Identifier: Apache-2.0
"""`python -m bench.sparq_luts`: SPARQ's options on an FPGA: LUTs of an accelerator, and of what is around its array.

4x4 PEs without counters, mapped for ECP5. `LUTs` are those of the accelerator behind its UART, `array` those of its
array, which is synthesised alone as the accelerator has it; `around` is the rest.
"""

import sys
from typing import Any

from sysmt.cli.output import progress
from sysmt.hdl.array.stored_weights import array_behind_memory
from sysmt.hdl.designs import design_of
from sysmt.hdl.emit import Design, emit
from sysmt.hdl.params.accel import AccelConfig
from sysmt.hdl.params.presets import preset
from sysmt.sim.flow.synthesis import synthesise

from . import record
from .command import run

ACCELERATOR, TARGET = "accel_sysmt2_4", "ecp5"
OPTIONS: tuple[dict[str, Any], ...] = ({}, {"signed_window": True}, {"stc": True})
"""Fields of the PE."""


def rows() -> list[dict[str, Any]]:
    """A row per option."""
    found = []
    for fields in OPTIONS:
        plain = preset(ACCELERATOR, AccelConfig)
        config = plain.with_fields(array=plain.array.with_fields(kind="sparq", counters=False, **fields))
        text = " ".join(f"{field}={str(value).lower()}" for field, value in fields.items()) or "-"
        whole = _luts(design_of(config, "npu"), f"an accelerator with {text}")
        array = _luts(emit(array_behind_memory(config.array)(config.array), "npu", {}), f"its array with {text}")
        key = {"accelerator": ACCELERATOR, "with": text, "products": config.array.pe.products}
        found.append(key | {"LUTs": whole, "array": array, "around": whole - array})
    return found


def _luts(design: Design, what: str) -> int:
    progress(f"synthesising {what}")
    used = synthesise(design, TARGET, seeds=0).luts
    assert used is not None
    return used


def markdown() -> str:
    """The recorded run as a table."""
    return record.tables("sparq_luts")


def main(argv: list[str] | None = None) -> int:
    """Print the measurements."""
    return run("bench.sparq_luts", __doc__.partition("\n")[0], rows, argv)


if __name__ == "__main__":
    sys.exit(main())
