"""The data set that comes with scikit-learn, written out as a user's folder would be."""

from pathlib import Path

import numpy as np
from PIL import Image


def write_sample(folder: Path) -> None:
    """Writes scikit-learn's handwritten digits as <class>/<number>.png.

    1,797 grey pictures of 8 x 8 pixels in ten classes; their values 0..16 become 0..255.

    Source: Alpaydin and Kaynak 1998, "Optical Recognition of Handwritten Digits", UCI.
    """
    from sklearn.datasets import load_digits  # here: it takes a second to import

    digits = load_digits()
    values = digits.images.astype(np.uint32)
    grey = ((values * 255 + 8) // 16).astype(np.uint8)
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(grey, digits.target, strict=True)):
        Image.fromarray(image).save(folder / str(label) / f"{number:04d}.png")
