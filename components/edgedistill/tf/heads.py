"""The head alone: logistic regression on features that a frozen backbone gives once."""

import logging
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.linear_head import fit_linear_head
from edgedistill.tf.batches import TrainingPhotos
from edgedistill.tf.inference import Predictor, Validation, judge
from edgedistill.tf.label_judge import LabelJudge
from edgedistill.tf.losses import hard_loss
from edgedistill.tf.networks import HistoryRow, feature_extractor

_log = logging.getLogger(__name__)

# Features are held in memory, some 6 KB a photo; more photos than this no longer help a head.
MAX_PHOTOS = 20_000


def train_head(
    network: Any,
    photos: TrainingPhotos,
    validation: Validation,
    *,
    seed: int,
    label_judge: LabelJudge | None = None,
) -> HistoryRow:
    """Fits the layer `logits` on the photos as they are, all else left as it is.

    The hard loss with class weights; no distillation, as the whole network's training has it.

    Args:
        network: Keras network that ends in `pool`, `dropout`, `logits`.
        photos: what to train on; of more than `MAX_PHOTOS` a random part.
        validation: what the penalty is chosen on, and the row's figures are taken on.
        seed: start of that random part.
        label_judge: judges the labels by the same features; None: nobody does.

    Returns:
        One history row, of stage `head`, its hard loss weighted and smoothed as that of epochs; it
        has no epochs, so no learning rate: 0.
    """
    begun = time.monotonic()
    rows = _rows(len(photos), seed)
    labels = photos.label_indices[rows]
    extractor = Predictor(feature_extractor(network))
    features, val_features = (
        extractor.outputs(photos.pixels, rows, title="features"),
        extractor.outputs(validation.pixels, title="features of validation"),
    )
    head = fit_linear_head(
        features, labels, photos.class_weights[labels], len(photos.class_weights),
        validation_features=val_features, validation_labels=validation.label_indices,
    )  # fmt: skip
    network.get_layer("logits").set_weights([head.kernel, head.bias])
    logits, seconds = head.logits(features), time.monotonic() - begun
    loss = _hard_loss(logits, labels, photos)
    row: HistoryRow = {
        "stage": "head",
        "epoch": 0,
        "loss": loss,
        "hard_loss": loss,
        "distillation_loss": 0.0,
        "train_accuracy": float(np.mean(logits.argmax(axis=1) == labels)),
        **judge(head.logits(val_features), validation.label_indices),
        "lr": 0.0,
        "images_per_s": len(rows) / seconds,
        "input_wait_share": 0.0,
        "photos_at_once": len(rows),
        "seconds": seconds,
    }
    _log.info(
        "head on frozen features of %d photos: loss=%.3f val_loss=%.3f val_accuracy=%.3f %.1f s",
        len(rows), row["loss"], row["val_loss"], row["val_accuracy"], seconds,
    )  # fmt: skip
    if label_judge is not None:
        label_judge.judge(photos, extractor, rows, features, head)
    return row


def _hard_loss(
    logits: NDArray[np.float32], labels: NDArray[np.int64], photos: TrainingPhotos
) -> float:
    """The hard loss as epochs have it: with class weights and label smoothing."""
    targets = photos.smoothed(np.eye(logits.shape[1], dtype=np.float32)[labels])
    return float(hard_loss(targets, logits, photos.class_weights[labels]))


def _rows(n_photos: int, seed: int) -> NDArray[np.int64]:
    if n_photos <= MAX_PHOTOS:
        return np.arange(n_photos)
    return np.sort(np.random.default_rng(seed).choice(n_photos, MAX_PHOTOS, replace=False))
