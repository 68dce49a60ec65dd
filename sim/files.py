# SPDX-License-Identifier: Apache-2.0
"""Writing result files: as a whole or not at all."""

import os
from pathlib import Path

from hdl.errors import UserError


def write(path: Path, content: bytes) -> None:
    """Write a file, replacing an older one in one go; a folder that cannot be written is a `UserError`."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        raise UserError(f"path must be a writable file, not {path} ({error.strerror}); create its folder") from None
    finally:
        if part.exists():
            part.unlink()
