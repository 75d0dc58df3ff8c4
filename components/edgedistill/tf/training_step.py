"""One step of training as a graph: photos in, weights changed, sums for the log out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgedistill.tf.averages import WeightAverage
from edgedistill.tf.batches import Batch
from edgedistill.tf.folded_pass import FoldedPass
from edgedistill.tf.losses import distillation_loss, hard_loss
from edgedistill.tf.optimizers import Optimizers
from edgedistill.tf.random_states import dropout_states
from edgedistill.tf.replicas import (
    in_each_replica,
    make_equal,
    n_replicas,
    own_variable,
    own_variables,
    summed_over_replicas,
)
from edgedistill.tf.runtime import tf
from edgedistill.tf.teachers import Teachers
from edgedistill.tf.trained_variables import trained_variables

SUMS = ("loss", "hard_loss", "distillation_loss", "n_right")
"""What a step gives, each summed over its photos."""


@dataclass(frozen=True)
class Distillation:
    """Teachers and how much they count: `alpha * hard + (1 - alpha) * distillation`.

    `answers`: what they said of each view of each photo once and for all, shape (n_views, n,
    n_classes), as `Teachers.softened` gives it; None: they are asked in every step.
    """

    teachers: Teachers
    alpha: float
    temperature: float
    answers: NDArray[np.float32] | None = None


class TrainingStep:
    """Changes a network's weights by one batch.

    The graph is traced once. Where memory does not hold a batch at once, `n_parts` of it come one
    after the other and their gradients are added up. That is comparable to a whole batch, not the
    same: each part draws dropout masks of its own, and batch normalisation's statistics, where they
    are not frozen, move once a part. Without these the change of the weights is the same but for
    rounding.

    Where there are several replicas each takes its share of every part (`replicas`).
    """

    def __init__(
        self,
        network: Any,
        optimizers: Optimizers,
        *,
        distillation: Distillation | None = None,
        average: WeightAverage | None = None,
        compile_xla: bool = False,
    ):
        self._pass = FoldedPass(network)
        self._variables = trained_variables(network)
        self._optimizers = optimizers
        self._distillation = distillation
        self._average = average
        self._sums: list[Any] = []
        n_classes = network.output_shape[-1]
        signature = [
            tf.TensorSpec((None, *network.input_shape[1:]), tf.uint8),
            tf.TensorSpec((None, n_classes), tf.float32),
            tf.TensorSpec((None,), tf.float32),
            tf.TensorSpec((None, n_classes), tf.float32),
        ]
        # None instead of False: TensorFlow may then choose by itself where a model asks for it.
        xla = True if compile_xla else None
        graph = {"input_signature": signature, "autograph": False, "jit_compile": xla}
        add_gradients, self._moved = self._add_gradients, []
        if n_replicas() > 1:
            add_gradients = summed_over_replicas(add_gradients, compile_xla=compile_xla)
            graph["jit_compile"] = None  # within each replica, not over all
            self._moved = [*own_variables(network), *dropout_states(network)]
        self._whole = tf.function(self._learn, **graph)
        self._part = tf.function(add_gradients, **graph)
        self._clear_sums = tf.function(self._set_sums_to_zero, autograph=False)
        self._apply_sums = tf.function(self._learn_from_sums, autograph=False)
        self._ask = None
        if distillation is not None and distillation.answers is None:
            self._ask = distillation.teachers.graph(distillation.temperature)

    def __call__(self, batch: Batch, view: int, n_parts: int = 1) -> NDArray[np.float64]:
        """Learns from a batch.

        Args:
            batch: the photos.
            view: number of their views, for what teachers said of these.
            n_parts: into how many parts the batch is cut, or as many as it has photos.

        Returns:
            Shape (4,): `SUMS`.
        """
        if n_parts == 1 and n_replicas() == 1:
            return np.asarray(self._whole(*self._inputs(batch, view, slice(None))), np.float64)
        sums, n_photos = np.zeros(len(SUMS)), len(batch.rows)
        self._prepare_sums()
        for rows in np.array_split(np.arange(n_photos), min(n_parts, most_parts(n_photos))):
            part = slice(int(rows[0]), int(rows[-1]) + 1)
            sums += self._part(*self._inputs(batch, view, part)).numpy()
        self._apply_sums(tf.constant(n_photos, tf.float32))
        return sums

    def _inputs(self, batch: Batch, view: int, part: slice) -> tuple[Any, ...]:
        images, targets = batch.images[part], batch.targets[part]
        log_softened = np.zeros((len(images), targets.shape[1]), np.float32)
        distillation = self._distillation
        if self._ask is not None:
            log_softened = self._ask(*(taught[part] for taught in batch.taught))
        elif distillation is not None and distillation.answers is not None:
            log_softened = distillation.answers[view - 1, batch.rows[part]]
        return images, targets, batch.photo_weights[part], log_softened

    def _loss(self, images: Any, targets: Any, photo_weights: Any, log_softened: Any) -> Any:
        """The loss to be made small (mean over the photos), and `SUMS`."""
        logits = tf.cast(self._pass(tf.cast(images, tf.float32), training=True), tf.float32)
        hard = loss = hard_loss(targets, logits, photo_weights)
        distilled = tf.zeros(())
        if self._distillation is not None:
            alpha, temperature = self._distillation.alpha, self._distillation.temperature
            distilled = distillation_loss(log_softened, logits, temperature)
            loss = alpha * hard + (1 - alpha) * distilled
        right = tf.argmax(logits, axis=-1) == tf.argmax(targets, axis=-1)
        n_photos = tf.cast(tf.shape(images)[0], tf.float32)
        n_right = tf.reduce_sum(tf.cast(right, tf.float32))
        return loss, tf.stack([n_photos * loss, n_photos * hard, n_photos * distilled, n_right])

    def _learn(self, *inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            loss, sums = self._loss(*inputs)
        self._apply(tape.gradient(loss, self._variables))
        self._update_average()
        return sums

    def _add_gradients(self, *inputs: Any) -> Any:
        with tf.GradientTape() as tape:
            _, sums = self._loss(*inputs)
            summed_loss = sums[0]
        gradients = tape.gradient(summed_loss, self._variables)
        for total, gradient in zip(self._sums, gradients, strict=True):
            total.assign_add(gradient)
        return sums

    def _learn_from_sums(self, n_photos: Any) -> None:
        in_each_replica(self._descend, n_photos)
        make_equal(self._moved)
        self._update_average()

    def _descend(self, n_photos: Any) -> None:
        """By this replica's sums; the optimisers add those of all."""
        self._apply([total / n_photos for total in self._sums])

    def _apply(self, gradients: list[Any]) -> None:
        pairs = zip(self._variables, gradients, strict=True)
        self._optimizers.apply({v.ref(): g for v, g in pairs})

    def _update_average(self) -> None:
        if self._average is not None:
            self._average.update()

    def _prepare_sums(self) -> None:
        if not self._sums:
            self._sums = [own_variable(tf.zeros_like(v)) for v in self._variables]
        self._clear_sums()

    def _set_sums_to_zero(self) -> None:
        for total in self._sums:
            total.assign(tf.zeros_like(total))


def most_parts(n_photos: int) -> int:
    """Into how many parts a batch can be cut, so that each replica has a photo of every part."""
    return max(1, n_photos // n_replicas())
