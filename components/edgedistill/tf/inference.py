"""A network's answers to many photos, and what they are worth on validation photos."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.metrics import cross_entropy
from edgedistill.pixels import PackedPixels
from edgedistill.tf.runtime import tf

_INFERENCE_BATCH = 64


def _go_on() -> None:
    """Nothing to look after between two batches."""


@dataclass(frozen=True)
class Validation:
    """Photos to choose the best epoch on: pixels at the trained network's size, labels (n,)."""

    pixels: PackedPixels
    label_indices: NDArray[np.int64]


class Predictor:
    """A network's inference as a graph, traced once, however often the weights change."""

    def __init__(self, network: Any):
        def infer(images: Any) -> Any:
            return tf.cast(network(tf.cast(images, tf.float32), training=False), tf.float32)

        images = tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8)
        self._graph = tf.function(infer, input_signature=[images], autograph=False)

    def outputs(
        self,
        pixels: PackedPixels,
        rows: NDArray[np.int64] | None = None,
        *,
        between: Callable[[], None] = _go_on,
    ) -> NDArray[np.float32]:
        """Outputs for these rows (None: all photos), in order, shape (n, n_outputs).

        `between` is called before each batch; what it raises ends the call.
        """
        answers = []
        for batch in pixels.batches(_INFERENCE_BATCH, rows):
            between()
            answers.append(self._graph(batch).numpy())
        return np.concatenate(answers)


def judge(logits: NDArray[np.float32], label_indices: NDArray[np.int64]) -> dict[str, float]:
    """val_loss (mean cross entropy) and val_accuracy of logits, shape (n, n_classes)."""
    return {
        "val_loss": cross_entropy(logits, label_indices),
        "val_accuracy": float(np.mean(logits.argmax(axis=1) == label_indices)),
    }
