"""What a network's frozen features say of the labels that its head is fitted on."""

import logging
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.cross_fitting import CrossFittedHeads, cross_fit, group_folds
from edgedistill.core.linear_head import LinearHead
from edgedistill.tf.batches import TrainingPhotos
from edgedistill.tf.inference import Predictor

_log = logging.getLogger(__name__)

_AT_ONCE = 20_000


class LabelJudge:
    """Judges each training photo by a head that saw neither its label nor its group's.

    `probabilities`, shape (n, n_classes), are None until a head has been fitted. Judging draws
    nothing from TensorFlow and leaves the network as it is.
    """

    def __init__(self, groups: Sequence[str], *, seed: int):
        """Args:
        groups: of each training photo, "" for a photo alone; none is parted among folds.
        seed: start of the draw of folds.
        """
        self._groups, self._seed = groups, seed
        self.probabilities: NDArray[np.float32] | None = None

    def judge(
        self,
        photos: TrainingPhotos,
        extractor: Predictor,
        rows: NDArray[np.int64],
        features: NDArray[np.float32],
        head: LinearHead,
    ) -> None:
        """Fits the heads of all folds as the head was, and asks each about its fold.

        Args:
            photos: all training photos.
            extractor: gives their features.
            rows: of those that the head was fitted on; others are judged all the same.
            features: of these rows.
            head: its penalty is taken, which was chosen on other photos.
        """
        begun, labels = time.monotonic(), photos.label_indices
        folds = group_folds(self._groups, labels, seed=self._seed)
        heads = cross_fit(
            features, labels[rows], photos.class_weights[labels[rows]], len(photos.class_weights),
            folds[rows], inverse_penalty=head.inverse_penalty,
        )  # fmt: skip
        found = np.empty((len(photos), len(photos.class_weights)), np.float32)
        found[rows] = heads.probabilities(features, folds[rows])
        self._ask_about_the_rest(photos, extractor, rows, heads, folds, found)
        self.probabilities = found
        _log.info(
            "labels of %d photos judged by %d cross-fitted heads, %.1f s",
            len(photos), len(heads.heads), time.monotonic() - begun,
        )  # fmt: skip

    def _ask_about_the_rest(
        self,
        photos: TrainingPhotos,
        extractor: Predictor,
        rows: NDArray[np.int64],
        heads: CrossFittedHeads,
        folds: NDArray[np.int64],
        found: NDArray[np.float32],
    ) -> None:
        """Photos that no head was fitted on, a part of them at a time: features take memory."""
        others = np.setdiff1d(np.arange(len(photos)), rows)
        for start in range(0, len(others), _AT_ONCE):
            part = others[start : start + _AT_ONCE]
            features = extractor.outputs(photos.pixels, part, title="labels to judge")
            found[part] = heads.probabilities(features, folds[part])
