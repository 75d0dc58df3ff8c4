"""Which of the int8 files ships."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.probabilities import cross_entropy
from edgedistill.tf.flatbuffer import FileFacts


@dataclass(frozen=True)
class Candidate:
    """A full-integer file and how it came about.

    Attributes:
        method: the way of quantising, in words.
        model: the file.
        facts: what it says of itself, proven.
        logits: its answers to the validation photos, shape (n, n_classes).
    """

    method: str
    model: bytes
    facts: FileFacts
    logits: NDArray[np.float32]

    def accuracy(self, label_indices: NDArray[np.int64]) -> float:
        """Share of the validation photos that the file is right on."""
        return float(np.mean(self.logits.argmax(axis=1) == label_indices))


def best_candidate(candidates: Sequence[Candidate], label_indices: NDArray[np.int64]) -> Candidate:
    """The one of highest validation accuracy; of lowest cross entropy on a tie."""
    return max(
        candidates,
        key=lambda c: (c.accuracy(label_indices), -cross_entropy(c.logits, label_indices)),
    )
