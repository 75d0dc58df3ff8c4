"""The worst mistakes, each as the exact pixels that the model saw."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgedistill.artifacts import MISTAKES_FOLDER
from edgedistill.datasets import PackedDataset

MOST_MISTAKES = 12


def worst_mistakes(
    predicted: NDArray[np.int64], confidence: NDArray[np.float64], label_indices: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The rows of the wrong answers, the surest first, at most `MOST_MISTAKES`.

    Args:
        predicted: shape (n,), the class that the file names.
        confidence: shape (n,), in [0, 1].
        label_indices: shape (n,), the true classes.
    """
    wrong = np.flatnonzero(predicted != label_indices)
    worst_first = np.argsort(-confidence[wrong], kind="stable")
    return wrong[worst_first[:MOST_MISTAKES]]


def write_mistakes(
    folder: Path,
    photos: PackedDataset,
    predicted: NDArray[np.int64],
    confidence: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Writes a picture a mistake below `folder`; gives `mistakes` of evaluation.json."""
    rows = worst_mistakes(predicted, confidence, photos.label_indices).tolist()
    if rows:
        (folder / MISTAKES_FOLDER).mkdir()
    mistakes = []
    for number, row in enumerate(rows, start=1):
        photo = photos.photos[row]
        image = f"{MISTAKES_FOLDER}/{number:04d}.webp"
        (folder / image).write_bytes(lossless_webp(photos.student_pixels.row(row)))
        mistakes.append(
            {
                "filepath": photo.filepath,
                "label_name": photo.label_name,
                "predicted_name": photos.label_names[predicted[row]],
                "confidence": float(confidence[row]),
                "image": image,
            }
        )
    return mistakes


def lossless_webp(image: NDArray[np.uint8]) -> bytes:
    """A WebP file that holds exactly these pixels, shape (height, width, 3)."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "WEBP", lossless=True, quality=80, method=4)
    return file.getvalue()
