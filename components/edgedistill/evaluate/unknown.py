"""What the file makes of photos that belong to no class."""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import UNKNOWN_CSV, UNKNOWN_FOLDER, UNKNOWN_LOGITS_FILE
from edgedistill.core.probabilities import softmax
from edgedistill.datasets import PackedDataset
from edgedistill.tf.interpreter import predict_outputs


@dataclass(frozen=True)
class UnknownAnswers:
    """The photos of no class and the file's logits, shape (n, n_classes)."""

    photos: PackedDataset
    logits: NDArray[np.float32]


def ask_about_unknown(model: Path, photos: PackedDataset) -> UnknownAnswers | None:
    """The file's answers to the photos of no class beside the test photos; None: there are none.

    Raises:
        ArtifactError: they are damaged, or come from another split.
    """
    folder = photos.folder / UNKNOWN_FOLDER
    if not folder.is_dir():
        return None
    unknown = PackedDataset.open(folder)
    photos.require_own(unknown.split_digest, folder)
    unknown.require_whole((unknown.student_px,))
    return UnknownAnswers(unknown, predict_outputs(model, unknown.student_pixels))


def write_unknown(folder: Path, answers: UnknownAnswers, label_names: list[str]) -> None:
    """Writes the logits, and a table of what each photo was taken for."""
    np.save(folder / UNKNOWN_LOGITS_FILE, answers.logits)
    probabilities = softmax(answers.logits)
    with (folder / UNKNOWN_CSV).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("filepath", "predicted_name", "confidence"))
        for photo, row in zip(answers.photos.photos, probabilities, strict=True):
            writer.writerow((photo.filepath, label_names[row.argmax()], f"{row.max():.6f}"))
