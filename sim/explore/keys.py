# SPDX-License-Identifier: Apache-2.0
"""What a result is found by: the content of all that it was computed from, the sources of the models included."""

import inspect
import json
import os
from collections.abc import Iterable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from sysmt.base.cache import digest
from sysmt.hdl.params.config import Config
from sysmt.sim.nn.layer import Layer


def key_of(*parts: Any) -> str:
    """The key of JSON values."""
    return digest(json.dumps(parts, sort_keys=True))[:32]


def config_text(config: Config) -> str:
    """A configuration as text: equal for equal ones only."""
    return json.dumps(config.as_dict(), sort_keys=True)


def layers_key(layers: Iterable[Layer]) -> str:
    """The key of layers, whatever they are called."""
    return key_of(
        [
            repr((layer.kind, layer.geometry, layer.channels, layer.outputs, layer.batch, layer.sparsity))
            for layer in layers
        ]
    )


def file_key(path: str) -> str:
    """The key of a file's content; of what is no file, its name."""
    file = Path(path)
    return digest(file.read_bytes()) if file.is_file() else key_of(path)


@lru_cache
def sources_key(*packages: str) -> str:
    """The key of every source and data file of some packages, and of the kinds of PE that SYSMT_KINDS brings."""
    folders = [Path(str(inspect.getfile(import_module(package)))).parent for package in packages]
    folders += [Path(folder) for folder in os.environ.get("SYSMT_KINDS", "").split(os.pathsep) if folder]
    files = [(i, path) for i, folder in enumerate(folders) for path in sorted(folder.rglob("*.*"))]
    return key_of(
        [
            (i, str(path.relative_to(folders[i])), digest(path.read_bytes()))
            for i, path in files
            if path.suffix in (".py", ".json")
        ]
    )
