# SPDX-License-Identifier: Apache-2.0
"""`python -m sysmt.sim.nn.digits.train [--check]`: train, quantise and write the weights, or compare with them.

The file comes out the same, byte for byte, wherever it is made (see `sysmt.sim.nn.digits.training`).
"""

import argparse
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

from sysmt.base.files import write_together

from .data import Images, load
from .quantise import quantise
from .training import Recipe, train

WEIGHTS = Path(__file__).with_name("weights.npz")


def weights_file(images: Images, recipe: Recipe) -> bytes:
    """Train on `images` and return the content of the weights' file."""
    content = io.BytesIO()
    # Not compressed, with no time of day, and each array at once: zlib, and how a zip file says the sizes of what is
    # written piece by piece, as numpy does, differ between versions.
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, array in quantise(train(images, recipe), images).items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return content.getvalue()


def main(argv: list[str] | None = None) -> int:
    """Run the command: 0 done, 1 the file differs from what training gives."""
    parser = argparse.ArgumentParser(
        prog="python -m sysmt.sim.nn.digits.train", description="Train the digits network."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; compare with the file in place")
    args = parser.parse_args(argv)
    training_set, _ = load()
    content = weights_file(training_set, Recipe())
    if not args.check:
        write_together(WEIGHTS.parent, {WEIGHTS.name: content})
        print(f"{WEIGHTS.name}: {len(content)} bytes written")
        return 0
    if not WEIGHTS.is_file() or WEIGHTS.read_bytes() != content:
        print(f"{WEIGHTS.name} differs from what training gives; run without --check to replace it", file=sys.stderr)
        return 1
    print(f"{WEIGHTS.name}: reproduced byte for byte ({len(content)} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
