# SPDX-License-Identifier: Apache-2.0
"""Reads the topology and GEMM files of SCALE-Sim as they are found in the wild.

A file is a heading and one row per layer: name, image height and width, filter height and width, channels, filters,
stride; or name and M, N, K, which the heading must name. As the files in circulation need it,

- cells may be padded with blanks, rows may end with a comma or not, a byte order mark is ignored;
- a file whose heading has no comma is separated by tabs;
- empty rows and rows with nothing but a title are skipped, as is everything from a cell that begins with "#" on;
- columns that the heading calls "sparsity" (N:M), "batch size" and "stride width", a second stride, are read; sizes of
  outputs ("Eh", "Ew", "e2") follow from the others and are left out; any other column with a value is refused, padding
  too: SCALE-Sim's images include it;
- a heading that names the columns of a convolution or M, N, K in another order than SCALE-Sim reads them is refused;
- a layer whose name contains "DP" is depthwise: SCALE-Sim runs every channel on its own.

Everything else is refused with file and line.
"""

from pathlib import Path
from typing import Any

from sysmt.base.errors import UserError
from sysmt.sim.nn.geometry import Geometry
from sysmt.sim.nn.layer import Layer

CONV_FIELDS = ("height", "width", "filter height", "filter width", "channels", "filters", "stride")
GEMM_FIELDS = ("m", "n", "k")
NAMES = {
    "ifmap height": "height",
    "ifmap width": "width",
    "filter height": "filter height",
    "filter width": "filter width",
    "channel": "channels",
    "channels": "channels",
    "num filter": "filters",
    "num filters": "filters",
    "stride": "stride",
    "strides": "stride",
    "stride height": "stride",
}
"""Names of columns that leave no doubt; some files say "IFMAP Width" for both sizes, or have single letters."""
SECOND_STRIDE = ("stride width", "stride w", "strides width")
BATCH = ("batch", "batch size")
DERIVED = ("eh", "ew", "e2")
"""Sizes of outputs, which follow from the other columns."""
LARGEST = 10**9
"""No size is larger."""


def read_topology(path: str | Path) -> tuple[Layer, ...]:
    """The layers of a topology or GEMM file.

    Sizes of outputs are rounded up, as SCALE-Sim rounds them; images include their padding.

    Raises
    ------
    UserError
        The file cannot be read; or `FILE:LINE: what is wrong`.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"topology {str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not text in UTF-8; save it as plain CSV") from error
    if not lines:
        raise UserError(f"{path}:1: heading must name the columns, the file is empty")
    separator = "," if "," in lines[0] else "\t"
    heading = [cell.strip().lower() for cell in lines[0].split(separator)]
    try:
        if '"' in lines[0]:
            raise UserError("heading must name its columns without quotation marks; save it as plain CSV")
        reader = _reader(heading)
    except UserError as error:
        raise UserError(f"{path}:1: {error}") from error
    layers = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            cells = _cells(line, separator)
            if any(cells[1:]):
                layers.append(reader.layer(cells))
        except UserError as error:
            raise UserError(f"{path}:{number}: {error}") from error
    if not layers:
        raise UserError(f"{path}:{len(lines)}: file must hold at least one layer")
    return tuple(layers)


def _cells(line: str, separator: str) -> list[str]:
    """The cells of a row, without blanks, comments and empty cells at the end."""
    cells = []
    for cell in line.split(separator):
        if cell.strip().startswith("#"):
            break
        cells.append(cell.strip())
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _reader(heading: list[str]) -> "_Reader":
    """The columns a heading names. Convolution columns go by place, as in SCALE-Sim; M, N, K and the rest by name."""
    names = [name for name in heading if name]
    if set(GEMM_FIELDS) <= set(names):
        columns = {name: heading.index(name) for name in GEMM_FIELDS}
        if list(columns.values()) != [1, 2, 3]:
            raise UserError(f"heading must name M, N, K in this order behind the layer, not {', '.join(names[1:])}")
        return _Reader(heading, columns, gemm=True)
    if len(names) < 1 + len(CONV_FIELDS) or any(name.isdigit() for name in names):
        raise UserError(f"heading must name the columns layer, {', '.join(CONV_FIELDS)} or layer, M, N, K")
    for place, field in enumerate(CONV_FIELDS, start=1):
        named = NAMES.get(heading[place], field)
        if named != field and (field, named) != ("height", "width"):
            raise UserError(
                f"heading must name {field} as column {place + 1}, not {heading[place]!r}; put the columns in order"
            )
    return _Reader(heading, {name: i for i, name in enumerate(CONV_FIELDS, start=1)}, gemm=False)


class _Reader:
    """Turns the cells of a row into a layer."""

    def __init__(self, heading: list[str], columns: dict[str, int], gemm: bool):
        self._heading = heading
        self._columns = columns
        self._gemm = gemm

    def layer(self, cells: list[str]) -> Layer:
        if not cells[0]:
            raise UserError("layer name must not be empty")
        self._check_width(cells)
        v = {name: _number(name, self._cell(cells, index)) for name, index in self._columns.items()}
        more = self._more(cells)
        if self._gemm:
            return Layer.gemm(cells[0], v["m"], v["k"], v["n"], **more)
        across = more.pop("stride width", v["stride"])
        per_channel = "DP" in cells[0]
        kernel = (v["filter height"], v["filter width"])
        return Layer(
            name=cells[0],
            kind="depthwise" if per_channel else "pointwise" if kernel == (1, 1) else "conv",
            geometry=Geometry(
                size=(v["height"], v["width"]), kernel=kernel, stride=(v["stride"], across), ceil_mode=True
            ),
            channels=v["channels"],
            outputs=v["filters"] * (v["channels"] if per_channel else 1),
            **more,
        )

    def _cell(self, cells: list[str], index: int) -> str:
        return cells[index] if index < len(cells) else ""

    def _check_width(self, cells: list[str]) -> None:
        """Refuse a value in a column without a name: nobody knows what it means, or a comma is misplaced."""
        for i, cell in enumerate(cells):
            if cell and not self._cell(self._heading, i):
                raise UserError(f"row has a value {cell!r} in column {i + 1}, which the heading does not name")

    def _more(self, cells: list[str]) -> dict[str, Any]:
        more: dict[str, Any] = {}
        for i, name in enumerate(self._heading):
            cell = self._cell(cells, i)
            if not cell or not i or i in self._columns.values():
                continue
            if name == "sparsity":
                more["sparsity"] = _ratio(cell)
            elif name in BATCH:
                more["batch"] = _number("batch size", cell)
            elif name in SECOND_STRIDE and not self._gemm:
                more["stride width"] = _number("stride width", cell)
            elif name == "padding" and cell != "0":
                raise UserError(
                    f"padding must be part of height and width, not {cell!r} in a column of its own; add it"
                )
            elif name and name != "padding" and name not in DERIVED:
                raise UserError(f"column {name!r} must be empty, not {cell!r}: it is none that is read; remove it")
        return more


def _number(name: str, cell: str) -> int:
    if len(cell) > len(str(LARGEST)) and cell.isascii() and cell.isdigit():
        raise UserError(f"{name} must be at most {LARGEST}, not a number of {len(cell)} digits")
    if not (cell.isascii() and cell.isdigit()) or int(cell) < 1:
        raise UserError(f"{name} must be a whole number from 1 on, not {cell!r}")
    return int(cell)


def _ratio(cell: str) -> tuple[int, int]:
    n, colon, m = cell.partition(":")
    if not colon:
        raise UserError(f"sparsity must be N:M, not {cell!r}")
    return _number("sparsity", n.strip()), _number("sparsity", m.strip())
