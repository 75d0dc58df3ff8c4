"""The head alone: a dense layer fitted on features that a frozen backbone gives once."""

import logging
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.tf.batches import TrainingPhotos
from edgedistill.tf.inference import Predictor, Validation, judge
from edgedistill.tf.networks import HistoryRow, feature_extractor
from edgedistill.tf.runtime import keras

_log = logging.getLogger(__name__)

# Features are held in memory, some 6 KB a photo; more photos than this no longer help a head.
MAX_PHOTOS = 20_000
_EPOCHS = 60
_BATCH = 128
_LEARNING_RATE = 3e-3
_WEIGHT_DECAY = 1e-3


def train_head(
    network: Any, photos: TrainingPhotos, validation: Validation, *, seed: int
) -> HistoryRow:
    """Fits the layer `logits` on the photos as they are, all else left as it is.

    The hard loss with class weights; no distillation, as the whole network's training has it.

    Args:
        network: Keras network that ends in `pool`, `dropout`, `logits`.
        photos: what to train on; of more than `MAX_PHOTOS` a random part.
        validation: what the row's figures are taken on.
        seed: start of shuffling and of the layer's weights.

    Returns:
        One history row, of stage `head`.
    """
    begun = time.monotonic()
    rows = _rows(len(photos), seed)
    extractor = Predictor(feature_extractor(network))
    features = extractor.outputs(photos.pixels, rows)
    labels = photos.label_indices[rows]
    layer = network.get_layer("logits")
    loss, accuracy = _fit(layer, features, labels, photos.class_weights[labels])
    kernel, bias = layer.get_weights()
    val_logits = extractor.outputs(validation.pixels) @ kernel + bias
    row: HistoryRow = {
        "stage": "head",
        "epoch": _EPOCHS,
        "loss": loss,
        "hard_loss": loss,
        "distillation_loss": 0.0,
        "train_accuracy": accuracy,
        **judge(val_logits, validation.label_indices),
        "lr": _LEARNING_RATE,
        "images_per_s": len(rows) / (time.monotonic() - begun),
        "input_wait_share": 0.0,
        "photos_at_once": _BATCH,
        "seconds": time.monotonic() - begun,
    }
    _log.info(
        "head on frozen features of %d photos: loss=%.3f val_accuracy=%.3f %.1f s",
        len(rows), row["loss"], row["val_accuracy"], row["seconds"],
    )  # fmt: skip
    return row


def _rows(n_photos: int, seed: int) -> NDArray[np.int64]:
    if n_photos <= MAX_PHOTOS:
        return np.arange(n_photos)
    return np.sort(np.random.default_rng(seed).choice(n_photos, MAX_PHOTOS, replace=False))


def _fit(
    layer: Any,
    features: NDArray[np.float32],
    label_indices: NDArray[np.int64],
    photo_weights: NDArray[np.float32],
) -> tuple[float, float]:
    """Fits a dense layer in place; returns its last loss and training accuracy."""
    inputs = keras.Input(features.shape[1:])
    head = keras.Model(inputs, layer(inputs))
    steps = _EPOCHS * -(-len(features) // _BATCH)
    rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps)
    head.compile(
        keras.optimizers.AdamW(rate, weight_decay=_WEIGHT_DECAY),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[],
        metrics=["accuracy"],
    )
    history = head.fit(
        features, label_indices, sample_weight=photo_weights,
        batch_size=_BATCH, epochs=_EPOCHS, verbose=0,
    ).history  # fmt: skip
    return float(history["loss"][-1]), float(history["accuracy"][-1])
