# SPDX-License-Identifier: Apache-2.0
"""The handwritten digits that scikit-learn brings (Alpaydin and Kaynak, UCI), split into training and test set."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

TEST_IMAGES = 500
SPLIT_SEED = 2020


@dataclass(frozen=True, eq=False)
class Images:
    """Images and what they show.

    Parameters
    ----------
    pixels : uint8 [B, 8, 8, 1]
        Ink, 0 to 16: the operand of the first layer as it is.
    labels : int64 [B]
        The digit, 0 to 9.
    """

    pixels: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, part: slice | np.ndarray) -> "Images":
        return Images(self.pixels[part], self.labels[part])


@lru_cache(maxsize=1)
def load() -> tuple[Images, Images]:
    """The training set (1297 images) and the test set (500 images, never seen in training or calibration)."""
    from sklearn.datasets import load_digits  # only here: importing it takes longer than everything else

    digits = load_digits()
    everything = Images(digits.images.astype(np.uint8)[..., None], digits.target.astype(np.int64))
    # RandomState: its stream is frozen, so the split is the same with every version of numpy.
    order = np.random.RandomState(SPLIT_SEED).permutation(len(everything))
    return everything[order[TEST_IMAGES:]], everything[order[:TEST_IMAGES]]
