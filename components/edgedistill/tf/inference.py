"""A network's answers to many photos, and what they are worth on validation photos."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.core.probabilities import cross_entropy
from edgedistill.errors import TrainingError
from edgedistill.pixels import PackedPixels, Pixels
from edgedistill.progress import progress_bar
from edgedistill.tf.devices import has_gpu
from edgedistill.tf.folded_pass import FoldedPass
from edgedistill.tf.replicas import joined_over_replicas, n_replicas
from edgedistill.tf.runtime import tf

# On a CPU more at once are no faster and want more memory: 64 photos twice as much.
_AT_ONCE_ON_CPU, _AT_ONCE_ON_GPU = 16, 64

_log = logging.getLogger(__name__)


def _go_on() -> None:
    """Nothing to look after between two batches."""


@dataclass(frozen=True)
class Validation:
    """Photos to choose the best epoch on: pixels at the trained network's size, labels (n,)."""

    pixels: PackedPixels
    label_indices: NDArray[np.int64]


class InferenceGraph:
    """A graph from photos to answers, asked about as many at once as memory holds.

    Inference has no state, so that parts of a batch may be asked about one after the other.
    """

    def __init__(self, infer: Callable[..., Any], sizes_px: Sequence[int]):
        """Args:
        infer: from one batch of the same photos for each size, uint8, to one row a photo.
        sizes_px: side of the photos in each of those batches.
        """
        signature = [tf.TensorSpec((None, size, size, 3), tf.uint8) for size in sizes_px]
        self._graph = tf.function(
            joined_over_replicas(infer), input_signature=signature, autograph=False
        )
        self._at_once = self._batch = n_replicas() * (
            _AT_ONCE_ON_GPU if has_gpu() else _AT_ONCE_ON_CPU
        )

    def __call__(self, *images: Pixels) -> NDArray[np.float32]:
        """Answers of one batch, in order.

        Raises:
            TrainingError: memory does not hold a single photo.
        """
        answers: list[NDArray[np.float32]] = []
        n_photos, done = len(images[0]), 0
        while done < n_photos:
            count = min(self._at_once, n_photos - done)
            try:
                answers.append(self._graph(*(x[done : done + count] for x in images)).numpy())
                done += count
            except tf.errors.ResourceExhaustedError:
                self._ask_about_half_of(count)
        return np.concatenate(answers)

    def answers(
        self,
        sets: Sequence[PackedPixels],
        rows: NDArray[np.int64] | None = None,
        *,
        title: str = "inference",
        between: Callable[[], None] = _go_on,
    ) -> NDArray[np.float32]:
        """Answers to these rows (None: all photos) of the sets, in order.

        Args:
            sets: the same photos at each of the sizes.
            rows: which photos.
            title: what stands before the bar that whoever watches sees.
            between: called before each batch; what it raises ends the call.
        """
        found = []
        total = len(sets[0] if rows is None else rows)
        with progress_bar(title, total=total, unit="photos") as bar:
            for images in zip(*(s.batches(self._batch, rows) for s in sets), strict=True):
                between()
                found.append(self(*images))
                bar.update(len(found[-1]))
        return np.concatenate(found)

    def _ask_about_half_of(self, count: int) -> None:
        if count == 1:
            raise TrainingError(
                "memory does not hold a single photo's way through the network: use smaller "
                "images (student_img_size, teacher_img_size), or a machine with more memory."
            )
        self._at_once = count // 2
        _log.warning("memory ran out: %d photos at once are asked about", self._at_once)


class Predictor:
    """A network's inference as a graph, traced once, however often the weights change."""

    def __init__(self, network: Any):
        run = FoldedPass(network)

        def infer(images: Any) -> Any:
            return tf.cast(run(tf.cast(images, tf.float32), training=False), tf.float32)

        self._graph = InferenceGraph(infer, [network.input_shape[1]])

    def outputs(
        self,
        pixels: PackedPixels,
        rows: NDArray[np.int64] | None = None,
        *,
        title: str = "inference",
        between: Callable[[], None] = _go_on,
    ) -> NDArray[np.float32]:
        """Outputs for these rows (None: all photos), in order, shape (n, n_outputs).

        `title` stands before the bar; `between` is called before each batch, and what it raises
        ends the call.

        Raises:
            TrainingError: memory does not hold a single photo.
        """
        return self._graph.answers([pixels], rows, title=title, between=between)


def judge(logits: NDArray[np.floating], label_indices: NDArray[np.int64]) -> dict[str, float]:
    """val_loss (mean cross entropy) and val_accuracy of logits, shape (n, n_classes)."""
    return {
        "val_loss": cross_entropy(logits, label_indices),
        "val_accuracy": float(np.mean(logits.argmax(axis=1) == label_indices)),
    }
