"""How sure the file is of each photo of a split, and whether it is right."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import LOGITS_FILE, PREDICTIONS_CSV
from edgedistill.core.probabilities import softmax
from edgedistill.errors import ArtifactError
from edgedistill.json_file import missing_file


@dataclass(frozen=True)
class Answers:
    """The file's answers to the photos of a split, arrays of shape (n,)."""

    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]

    @classmethod
    def of(cls, logits: NDArray[np.floating], label_indices: NDArray[np.integer]) -> Self:
        """From logits of shape (n, n_classes) and the true classes, shape (n,)."""
        probabilities = softmax(logits)
        return cls(probabilities.max(axis=1), probabilities.argmax(axis=1) == label_indices)


def read_test_answers(predictions: Path) -> Answers:
    """The file's answers to the test photos, as the step evaluate wrote them.

    Raises:
        ArtifactError: a file is missing or damaged, or the two do not fit.
    """
    table, numbers = predictions / PREDICTIONS_CSV, predictions / LOGITS_FILE
    try:
        with table.open(encoding="utf-8", newline="") as file:
            labels = np.array([int(row["label_index"]) for row in csv.DictReader(file)], np.int64)
        logits = np.load(numbers)
    except FileNotFoundError as error:
        raise missing_file(error.filename) from None
    except (EOFError, KeyError, ValueError) as error:
        raise ArtifactError(f"{table} or {LOGITS_FILE} cannot be read: {error}.") from None
    if logits.ndim != 2 or len(logits) != len(labels):
        raise ArtifactError(f"{numbers} must have {len(labels)} rows; got shape {logits.shape}.")
    return Answers.of(logits, labels)
