# SPDX-License-Identifier: Apache-2.0
"""Which descriptors the engine takes: what its sequencer checks, and bounds on what would only end beyond memory."""

from sysmt.hdl.params.engine import EngineConfig
from sysmt.hdl.params.program import Operation

from .table import OutOfRangeError

COUNTS = (
    "kernel_h",
    "kernel_w",
    "group_words",
    "m_tiles",
    "groups",
    "n_tiles",
    "last_n_tiles",
    "out_width",
    "last_rows",
    "last_cols",
    "in_height",
    "in_width",
)
"""Fields that are at least 1."""
TAPS = 2**16
"""Most pixels of a pooling window."""


def check_descriptor(layer: dict[str, int], config: EngineConfig) -> None:
    """Refuse a descriptor that the engine would not start, or that reads or writes more than there is.

    Parameters
    ----------
    layer : dict
        Its fields.
    config : EngineConfig

    Raises
    ------
    OutOfRangeError
        Says what must be.
    """
    pe, matmul = config.array.pe, layer["operation"] == Operation.MATMUL
    for name in COUNTS:
        _check(name, layer[name], 1)
    if config.stream is None:
        for name in ("waits_chunk", "frees_chunk"):
            _check(name, layer[name], 0, 0)
    _check("operation", layer["operation"], 0, max(Operation))
    _check("last_n_tiles", layer["last_n_tiles"], 1, layer["n_tiles"])
    _check("last_cols", layer["last_cols"], 1, config.array.cols)
    _check("last_rows", layer["last_rows"], 1, config.array.rows if matmul else 1)
    if matmul:
        threads = pe.throttles
        _check("threads", layer["threads"], 0, len(threads) - 1)
        operands = threads[layer["threads"]] * pe.pairs_per_thread
        _check("steps", layer["steps"], 1, min(config.x_depth * pe.products // operands, pe.k_max // operands))
        _check("scatter_words", layer["scatter_words"], 1, config.scatter_words)
    else:
        _check("n_tiles", layer["n_tiles"], 1, config.granules)
        _check("pixels of a window", layer["kernel_h"] * layer["kernel_w"], 1, TAPS)
        _check("group_words", layer["group_words"], 1, 1)
    if patch_size(layer) > 1:
        _check("pixels of a patch", patch_size(layer), config.patch, config.patch)
        _check("operation", layer["operation"], Operation.MATMUL, Operation.MATMUL)
        _check("add", layer["add"], 0, 0)
        _check("patch_rows", layer["patch_rows"], 1)
    tiles = (layer["groups"] - 1) * layer["n_tiles"] + layer["last_n_tiles"]
    _check("tiles of channels", tiles, 1, config.activation_words * config.granules)
    pixels = (layer["m_tiles"] - 1) * (config.array.rows if matmul else 1) + layer["last_rows"]
    _check("output pixels", pixels, 1, config.activation_words)
    _check("words of the output", pixels * layer["out_words"], 1, config.activation_words)


def patch_size(layer: dict[str, int]) -> int:
    """Pixels of a patch; 1 of a layer without."""
    return 1 << layer["patch_h"] + layer["patch_w"]


def _check(name: str, value: int, low: int, high: int | None = None) -> None:
    if value < low or (high is not None and value > high):
        limits = f"at least {low}" if high is None else f"from {low} to {high}"
        raise OutOfRangeError(f"have {name} {limits}, not {value}")
