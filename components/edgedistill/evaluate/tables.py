"""Tables of the step: each photo's answer, and the confusion matrix."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.datasets import PackedDataset
from edgedistill.evaluate.judged import Judged


def write_predictions(path: Path, photos: PackedDataset, judged: Judged) -> None:
    """A row a test photo, in their order."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ("filepath", "label_index", "label_name", "predicted_index", "predicted_name",
             "confidence")
        )  # fmt: skip
        for photo, index, sure in zip(
            photos.photos, judged.predicted, judged.confidence, strict=True
        ):
            writer.writerow(
                (photo.filepath, photo.label_index, photo.label_name, index,
                 photos.label_names[index], f"{sure:.6f}")
            )  # fmt: skip


def write_confusion(path: Path, matrix: NDArray[np.int64], label_names: list[str]) -> None:
    """Counts by true class (row) and predicted class (column), with their names."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("true \\ predicted", *label_names))
        for name, row in zip(label_names, matrix.tolist(), strict=True):
            writer.writerow((name, *row))
