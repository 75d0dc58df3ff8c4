"""The file's answers to the photos of a part of the split, or to photos of no class."""

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgedistill.artifacts import LOGITS_FILE, PREDICTIONS_CSV, UNKNOWN_LOGITS_FILE
from edgedistill.core.probabilities import softmax
from edgedistill.errors import ArtifactError
from edgedistill.json_file import missing_file


@dataclass(frozen=True)
class Answers:
    """Logits of shape (n, n_classes) and the true classes, shape (n,); n is at least 1."""

    logits: NDArray[np.floating]
    label_indices: NDArray[np.integer]

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Shape (n, n_classes)."""
        return softmax(self.logits)

    @cached_property
    def predicted_indices(self) -> NDArray[np.int64]:
        """The class that each photo is named, shape (n,)."""
        classes: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return classes

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of that class, shape (n,)."""
        largest: NDArray[np.float64] = self.probabilities.max(axis=1)
        return largest

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """Whether it is the true one, shape (n,)."""
        right: NDArray[np.bool_] = self.predicted_indices == self.label_indices
        return right


def read_test_answers(predictions: Path) -> Answers:
    """The file's answers to the test photos, as the step evaluate wrote them.

    Raises:
        ArtifactError: a file is missing or damaged, or the two do not fit.
    """
    table, numbers = predictions / PREDICTIONS_CSV, predictions / LOGITS_FILE
    try:
        with table.open(encoding="utf-8", newline="") as file:
            labels = np.array([int(row["label_index"]) for row in csv.DictReader(file)], np.int64)
    except FileNotFoundError:
        raise missing_file(table) from None
    except (KeyError, ValueError) as error:
        raise ArtifactError(f"{table} cannot be read: {error}.") from None
    logits = _read_logits(numbers)
    if len(logits) != len(labels):
        raise ArtifactError(f"{numbers} must have {len(labels)} rows; got shape {logits.shape}.")
    return Answers(logits, labels)


def read_unknown_logits(predictions: Path) -> NDArray[np.floating] | None:
    """The file's logits of the photos of no class, shape (n, n_classes), n at least 1.

    Returns:
        None where evaluate had no such photos.

    Raises:
        ArtifactError: the file is damaged.
    """
    numbers = predictions / UNKNOWN_LOGITS_FILE
    return _read_logits(numbers) if numbers.exists() else None


def _read_logits(path: Path) -> NDArray[np.floating]:
    try:
        logits: NDArray[np.floating] = np.load(path)
    except FileNotFoundError:
        raise missing_file(path) from None
    except (EOFError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read: {error}.") from None
    if logits.ndim != 2 or not len(logits):
        raise ArtifactError(f"{path} must be of shape (n > 0, n_classes); got {logits.shape}.")
    return logits
