# SPDX-License-Identifier: Apache-2.0
"""Where built files go, and writing them so that nothing is ever left half-written."""

import errno
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_cache_path

from .errors import UserError


def build_root() -> Path:
    """The folder for what is built: SYSMT_BUILD, else `build` of the checkout, else the user's cache folder."""
    if "SYSMT_BUILD" in os.environ:
        return Path(os.environ["SYSMT_BUILD"])
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").exists():
        return checkout / "build"
    return user_cache_path("sysmt")


def data_folder() -> Path:
    """Where reference data lies: SYSMT_DATA, else the folder `shared` beside the checkout. It need not exist."""
    return Path(os.environ.get("SYSMT_DATA", Path(__file__).resolve().parents[3] / "shared"))


def write_together(directory: Path | str, texts: Mapping[str, str | bytes]) -> list[Path]:
    """Write `texts` (file name -> content) into `directory`: first beside their place, then all moved into it.

    A link stays, and what it points to is replaced; into a device or a pipe the content is written.
    """
    directory = Path(directory)
    staged: list[tuple[str, Path]] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            path, content = directory / name, text.encode() if isinstance(text, str) else text
            if is_device(path):
                path.write_bytes(content)
                continue
            path = path.resolve() if path.is_symlink() else path
            handle, temporary = tempfile.mkstemp(prefix=f".{name}.", dir=path.parent)
            staged.append((temporary, path))
            with os.fdopen(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, 0o644)
        for _, path in staged:
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{path.name} is a folder")
        for temporary, path in staged:
            os.replace(temporary, path)
    except OSError as error:
        message = f"output {str(directory)!r} cannot be written: {error.strerror}; choose another place"
        raise UserError(message) from error
    finally:
        for temporary, _ in staged:
            if os.path.exists(temporary):
                os.unlink(temporary)
    return [directory / name for name in texts]


def is_device(path: Path) -> bool:
    """Whether there is something at `path`, or where it points to, that is neither file nor folder."""
    return path.exists() and not path.is_file() and not path.is_dir()
